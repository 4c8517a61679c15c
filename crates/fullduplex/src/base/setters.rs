//! The consuming setters of settings.

/// Declares the setters of a settings struct: consuming, each with the name of its field. After
/// `into`, an `Option` can be given with or without `Some`. `owned` is for types with a destructor,
/// which no `const fn` can replace. The text completes the doc.
macro_rules! setters {
    () => {};
    ($field:ident: into $type:ty, $text:literal; $($rest:tt)*) => {
        #[doc = concat!(
            "Sets [`", stringify!($field), "`](Self#structfield.", stringify!($field), ")", $text
        )]
        #[must_use]
        pub fn $field(mut self, $field: impl Into<$type>) -> Self {
            self.$field = $field.into();
            self
        }
        setters!($($rest)*);
    };
    ($field:ident: owned $type:ty, $text:literal; $($rest:tt)*) => {
        #[doc = concat!(
            "Sets [`", stringify!($field), "`](Self#structfield.", stringify!($field), ")", $text
        )]
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
        setters!($($rest)*);
    };
    ($field:ident: $type:ty, $text:literal; $($rest:tt)*) => {
        #[doc = concat!(
            "Sets [`", stringify!($field), "`](Self#structfield.", stringify!($field), ")", $text
        )]
        #[must_use]
        pub const fn $field(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
        setters!($($rest)*);
    };
}

pub(crate) use setters;
