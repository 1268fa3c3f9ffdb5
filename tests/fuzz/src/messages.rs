//! Control frames.

use lanyard_protocol::message::{self, FRAME_MAX, Request, Response};

/// A frame of a request: what decodes has one encoding and fits a frame.
pub fn request(data: &[u8]) {
    if let Ok(request) = message::parse::<Request>(data) {
        assert_eq!(message::frame(&request), data, "a second encoding of {request:?}");
        assert!(data.len() <= FRAME_MAX + 1);
        let _ = request.access();
    }
}

/// A frame of an answer.
pub fn response(data: &[u8]) {
    if let Ok(response) = message::parse::<Response>(data) {
        assert_eq!(message::frame(&response), data, "a second encoding of {response:?}");
        assert!(data.len() <= FRAME_MAX + 1);
    }
}
