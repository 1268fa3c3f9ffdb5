//! A failure as an answer over HTTP: `{"error":{"code","message","remedy"}}` and the status that fits.

use axum::Json;
use axum::extract::FromRequest;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lanyard_protocol::control::{Code, Failure};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A failure on its way to the program that asked.
#[derive(Debug)]
pub(crate) struct ApiError(pub(crate) Failure);

#[derive(Serialize)]
struct Body {
    error: Failure,
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (status(self.0.code), Json(Body { error: self.0 })).into_response()
    }
}

const fn status(code: Code) -> StatusCode {
    match code {
        Code::Usage => StatusCode::BAD_REQUEST,
        Code::Denied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Failed => StatusCode::CONFLICT,
        Code::Data => StatusCode::UNPROCESSABLE_ENTITY,
        Code::Interrupted => StatusCode::INTERNAL_SERVER_ERROR,
        Code::NotRunning => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unreachable => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// The body of a request as JSON, refused in the shape of every other refusal. At most 64 KiB.
pub(crate) struct Input<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = ApiError;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, ApiError> {
        match Json::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(usage(&rejection)),
        }
    }
}

fn usage(rejection: &JsonRejection) -> ApiError {
    let message = rejection.body_text();
    Failure::new(Code::Usage, message, "send the JSON that the manual of the local API names").into()
}
