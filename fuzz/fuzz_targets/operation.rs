//! Calls of operations with values from anywhere: whatever they are, the call is one of its own operation.
#![no_main]

use keybound_okta::OrgUrl;
use keybound_okta::operations::{self, OperationRequest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, u16, Vec<String>)| {
    let (id, number, values) = input;
    let _ = (operations::find(id), operations::nearest(id), operations::of(&http::Method::GET, id));
    let Some(operation) = operations::all().nth(usize::from(number) % 732) else { return };
    let mut values = values.into_iter();
    let mut request = OperationRequest::new(operation.clone());
    for name in operation.path_parameters() {
        request = request.parameter(name, values.next().unwrap_or_default());
    }
    for parameter in operation.query_parameters() {
        request = request.optional(parameter.name, values.next());
    }
    let Ok(call) = request.into_call() else { return };
    let org = OrgUrl::parse("https://org.example").expect("an org");
    let uri = org.resolve(&call.path).expect("a path of the org");
    let segments = |path: &str| path.split('/').count();
    assert_eq!(segments(uri.path()), segments(operation.path()), "{uri}");
    assert!(operations::of(&call.method, uri.path()).is_some(), "{uri}");
});
