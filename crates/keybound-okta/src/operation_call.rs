//! Calls of an org by operation: `okta.operation("listUsers")?.parameter("limit", 10).send()`.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::{Call, OktaClient};
use crate::error::Error;
use crate::operations::OperationRequest;
use crate::pages::Pages;

/// A call of an operation, in the making. Names, values and the body are checked before it is sent.
#[must_use = "nothing is sent before `send` or `pages`"]
pub struct OperationCall<'c> {
    client: &'c OktaClient,
    request: OperationRequest,
}

impl OktaClient {
    /// A call of the operation with this id, such as `listUsers`.
    ///
    /// ```no_run
    /// # async fn call(okta: keybound_okta::OktaClient) -> Result<(), keybound_okta::Error> {
    /// let groups = okta.operation("listUserGroups")?.parameter("id", "me@example.com").send().await?;
    /// let mut users = okta.operation("listUsers")?.parameter("limit", 50).pages()?;
    /// while let Some(page) = users.next().await? {
    ///     println!("{} bytes", page.body().len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn operation(&self, id: &str) -> Result<OperationCall<'_>, Error> {
        Ok(OperationCall { client: self, request: OperationRequest::of(id)? })
    }
}

impl OperationCall<'_> {
    /// Gives the parameter `name`, of the path or of the query, a value; see
    /// [`OperationRequest::parameter`].
    pub fn parameter(self, name: &str, value: impl fmt::Display) -> Self {
        Self { request: self.request.parameter(name, value), ..self }
    }

    /// Gives the parameter a value, if there is one.
    pub fn optional(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        Self { request: self.request.optional(name, value), ..self }
    }

    /// Gives the call a body as it is to be sent.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self { request: self.request.body(body), ..self }
    }

    /// Gives the call a JSON body.
    pub fn json(self, body: &Value) -> Self {
        Self { request: self.request.json(body), ..self }
    }

    /// Gives the call header fields.
    pub fn headers(self, headers: HeaderMap) -> Self {
        Self { request: self.request.headers(headers), ..self }
    }

    /// Makes the call, and returns the answer if it is one of success.
    pub async fn send(self) -> Result<Response<Bytes>, Error> {
        self.client.call(self.request.into_call()?).await
    }

    /// The call as it would be sent.
    pub fn into_call(self) -> Result<Call, Error> {
        Ok(self.request.into_call()?)
    }

    /// Makes the call, and reads what its answer says.
    pub(crate) async fn read<T: DeserializeOwned>(self) -> Result<T, Error> {
        let answer = self.send().await?;
        serde_json::from_slice(answer.body()).map_err(|problem| Error::unreadable(&answer, &problem))
    }

    /// Makes the call, whose answer says nothing more than that it was done.
    pub(crate) async fn done(self) -> Result<(), Error> {
        self.send().await.map(drop)
    }

    /// Gives the call `object` as its JSON body.
    pub(crate) fn object(self, object: &impl Serialize) -> Result<Self, Error> {
        Ok(self.body(serde_json::to_vec(object).map_err(|problem| Error::Body(problem.to_string()))?))
    }

    /// The pages of what the operation gives, which may have links though the description says nothing of it.
    pub(crate) fn linked_pages(self) -> Result<Pages, Error> {
        Ok(self.client.pages(self.request.into_call()?))
    }

    /// The pages of the list that the operation gives.
    pub fn pages(self) -> Result<Pages, Error> {
        Ok(self.client.pages(self.request.into_paged_call()?))
    }
}
