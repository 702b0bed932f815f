//! Content decoding of answers, chunk by chunk.

use std::io;

use async_compression::tokio::bufread::{
    BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder,
};
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use tokio::io::{AsyncBufRead, AsyncRead};
use tokio_util::io::{ReaderStream, StreamReader};

use super::{SendError, SendErrorKind::Protocol};

/// An answer's body.
pub(super) type Body = BoxStream<'static, Result<Bytes, SendError>>;

/// A `content-encoding` that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// gzip, or zlib under that name: the legacy decoder tells them apart by their first byte.
    Gzip,
    /// zlib, or bare deflate from servers that get it wrong.
    Deflate,
    /// Brotli.
    Brotli,
    /// Zstandard.
    Zstd,
}

impl Coding {
    /// The coding of that name.
    pub fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" | "compress" | "x-compress" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Undoes the coding. A body cut short within the coding ends where it ends, without an error.
    pub fn decode(self, body: Body) -> Body {
        stream::once(async move {
            let mut body = body.peekable();
            let first = match std::pin::Pin::new(&mut body).peek().await {
                Some(Ok(chunk)) => chunk.first().copied(),
                _ => None,
            };
            let reader = StreamReader::new(body.map_err(io::Error::other));
            match (self, first) {
                (_, None) => chunks(reader),
                (Self::Gzip, Some(0x1f)) => chunks(members(GzipDecoder::new(reader))),
                (Self::Gzip, _) | (Self::Deflate, Some(0x78)) => chunks(ZlibDecoder::new(reader)),
                (Self::Deflate, _) => chunks(DeflateDecoder::new(reader)),
                (Self::Brotli, _) => chunks(BrotliDecoder::new(reader)),
                (Self::Zstd, _) => chunks(ZstdDecoder::new(reader)),
            }
        })
        .flatten()
        .boxed()
    }
}

fn members<R: AsyncBufRead>(mut decoder: GzipDecoder<R>) -> GzipDecoder<R> {
    decoder.multiple_members(true);
    decoder
}

fn chunks(reader: impl AsyncRead + Send + 'static) -> Body {
    ReaderStream::new(reader)
        .map_err(|error| {
            let end = error.kind() == io::ErrorKind::UnexpectedEof;
            match error.downcast::<SendError>() {
                Ok(cause) => Some(cause),
                Err(_) if end => None,
                Err(error) => Some(
                    SendError::new(Protocol, error.to_string()).with_code(Some("Z_DATA_ERROR")),
                ),
            }
        })
        .scan((), |(), item| {
            std::future::ready(match item {
                Ok(chunk) => Some(Ok(chunk)),
                Err(Some(error)) => Some(Err(error)),
                Err(None) => None,
            })
        })
        .boxed()
}
