//! Events that say that another attempt may now succeed.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

use crate::web::bindings::{EventTarget, event_target, property};
use crate::web::time::sleep;

/// Waits before another attempt, less long if the network comes back, or the page is looked at
/// again: timers of hidden pages are slow.
pub(crate) async fn wait_to_retry(delay: Duration) {
    let hints = Hints::listen();
    let mut timer = pin!(sleep(delay));
    poll_fn(|cx| if hints.poll(cx).is_ready() { Poll::Ready(()) } else { timer.as_mut().poll(cx) })
        .await;
}

/// Listeners of `online` and `visibilitychange`, where these exist. They are taken away when it is
/// dropped.
struct Hints {
    state: Rc<RefCell<HintState>>,
    targets: Vec<(EventTarget, &'static str)>,
    listener: Closure<dyn FnMut(JsValue)>,
}

#[derive(Default)]
struct HintState {
    was_hinted: bool,
    waker: Option<Waker>,
}

impl Hints {
    fn listen() -> Self {
        let state = Rc::new(RefCell::new(HintState::default()));
        let global = js_sys::global().into();
        let document = property(&global, "document");
        let listener: Closure<dyn FnMut(JsValue)> = Closure::new({
            let (state, document) = (state.clone(), document.clone());
            move |event: JsValue| {
                let is_online = property(&event, "type") == "online";
                if !is_online && property(&document, "visibilityState") == "hidden" {
                    return;
                }
                let mut state = state.borrow_mut();
                state.was_hinted = true;
                let waker = state.waker.take();
                drop(state);
                waker.into_iter().for_each(Waker::wake);
            }
        });
        let targets = [(global, "online"), (document, "visibilitychange")];
        let targets = targets.map(|(object, name)| event_target(object).zip(Some(name)));
        let targets: Vec<_> = targets.into_iter().flatten().collect();
        for (target, name) in &targets {
            target.add_event_listener(name, listener.as_ref().unchecked_ref());
        }
        Self { state, targets, listener }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = self.state.borrow_mut();
        if state.was_hinted {
            return Poll::Ready(());
        }
        state.waker = Some(waker);
        Poll::Pending
    }
}

impl Drop for Hints {
    fn drop(&mut self) {
        for (target, name) in &self.targets {
            target.remove_event_listener(name, self.listener.as_ref().unchecked_ref());
        }
    }
}
