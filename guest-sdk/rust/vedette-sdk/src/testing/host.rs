//! The edge outside of a component: what `component.rs` has, answered by the test that runs on
//! this thread. Without one nothing is set and no request is answered.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, VecDeque},
};

use crate::{FetchReason, Request, Response, log::Level};

type Answer = Result<Response, FetchReason>;

/// What a test has set, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) variables: BTreeMap<String, String>,
    /// By method and URL, in their order.
    answers: HashMap<(String, String), VecDeque<Answer>>,
    pub(crate) requests: Vec<Request>,
    pub(crate) log: Vec<(Level, String)>,
}

impl State {
    pub(crate) fn add_answer(&mut self, method: &str, url: &str, answer: Answer) {
        let key = (method.to_owned(), url.to_owned());
        self.answers.entry(key).or_default().push_back(answer);
    }

    fn answer(&mut self, request: Request) -> Answer {
        let key = (request.method.clone(), request.url.clone());
        self.requests.push(request);
        let answers = self.answers.get_mut(&key);
        let mut answer = answers.and_then(VecDeque::pop_front).unwrap_or_else(|| {
            let why = "the test has no answer for this request";
            Err(FetchReason::InvalidRequest(why.to_owned()))
        })?;
        answer.url = key.1;
        Ok(answer)
    }
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Calls `part` with this state, and gives back what became of it.
pub(crate) fn with<T>(state: State, part: impl FnOnce() -> T) -> (T, State) {
    let before = STATE.replace(state);
    let outcome = part();
    (outcome, STATE.replace(before))
}

/// A request that is answered.
pub(crate) type Handle = Answer;

pub(crate) fn variable(name: &str) -> Option<String> {
    STATE.with_borrow(|state| state.variables.get(name).cloned())
}

pub(crate) fn variable_names() -> Vec<String> {
    STATE.with_borrow(|state| state.variables.keys().cloned().collect())
}

pub(crate) fn log(level: Level, message: &str) {
    STATE.with_borrow_mut(|state| state.log.push((level, message.to_owned())));
}

/// What the host refuses at once is an error here; all others come out when they are waited for.
pub(crate) fn start(request: Request) -> Result<Handle, FetchReason> {
    match STATE.with_borrow_mut(|state| state.answer(request)) {
        Err(
            refused @ (FetchReason::Denied(_)
            | FetchReason::InvalidRequest(_)
            | FetchReason::Limit(_)),
        ) => Err(refused),
        answer => Ok(answer),
    }
}

pub(crate) fn take(handle: &Handle) -> Answer {
    handle.clone()
}

/// All are ready, and no time passes.
pub(crate) fn wait_any(handles: &[&Handle], _timeout_ms: Option<u32>) -> Vec<u32> {
    (0..).zip(handles).map(|(position, _)| position).collect()
}
