//! Writes the JavaScript that loads a WebAssembly program: `INPUT.wasm FOLDER NAME` makes
//! `FOLDER/NAME.js`, a module for pages, workers, Node, Deno and Bun, and `FOLDER/NAME_bg.wasm`.
#![forbid(unsafe_code)]

use wasm_bindgen_cli_support::Bindgen;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [input, folder, name] = &words[..] else {
        panic!("usage: INPUT.wasm FOLDER NAME");
    };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(input).out_name(name).typescript(false);
    bindgen
        .omit_default_module_path(false)
        .remove_name_section(true)
        .remove_producers_section(true);
    bindgen.web(true).and_then(|bindgen| bindgen.generate(folder)).unwrap_or_else(|error| {
        panic!("{input}: {error:#}");
    });
}
