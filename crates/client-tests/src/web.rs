//! What the tests need of a page or a worker, and what JavaScript needs of them.

// What is exported to JavaScript is public.
#![allow(unreachable_pub)]

use std::time::Duration;

use js_sys::futures::{JsFuture, future_to_promise};
use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use crate::peers::Peers;
use crate::tests;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, millis: f64) -> JsValue;
}

/// The program begins when JavaScript loads it.
pub(crate) fn main() {}

pub(crate) async fn sleep(duration: Duration) {
    let elapsed = Promise::new(&mut |resolve, _| {
        set_timeout(&resolve, duration.as_secs_f64() * 1000.0);
    });
    let _ = JsFuture::from(elapsed).await;
}

/// Dispatches an event of this type: `visibilitychange` on the document, others on the global
/// object. Returns whether there is such a target.
pub(crate) fn dispatch(event: &str) -> bool {
    let get = |object: &JsValue, name: &str| {
        Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
    };
    let global: JsValue = js_sys::global().into();
    let is_of_document = event == "visibilitychange";
    let target = if is_of_document { get(&global, "document") } else { global.clone() };
    let (Ok(dispatch), Ok(constructor)) = (
        get(&target, "dispatchEvent").dyn_into::<Function>(),
        get(&global, "Event").dyn_into::<Function>(),
    ) else {
        return false;
    };
    let event = Reflect::construct(&constructor, &Array::of1(&event.into()));
    event.is_ok_and(|event| dispatch.call1(&target, &event).is_ok())
}

/// The names of the tests, separated by spaces.
#[wasm_bindgen]
pub fn names() -> String {
    tests::NAMES.join(" ")
}

/// Runs a test. The promise is fulfilled if it passes; if it panics, `failed` is called with the
/// message, and the program can't be used further.
#[wasm_bindgen]
pub fn run(name: String, peers: String, failed: Function) -> Promise {
    std::panic::set_hook(Box::new(move |panic| {
        let _ = failed.call1(&JsValue::UNDEFINED, &panic.to_string().into());
    }));
    future_to_promise(async move {
        tests::run(&name, &Peers::parse(&peers, &name)).await;
        Ok(JsValue::UNDEFINED)
    })
}
