//! After 101: bytes both ways until either side ends.

use bytes::Bytes;
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional_with_sizes},
    net::TcpStream,
};

use super::Client;

/// Buffer of one direction.
const BUFFER: usize = 8 * 1024;

/// Copies until both directions have ended or one broke. `first` is what Node sent beyond its head.
pub(super) async fn run(client: Client<'_>, mut node: TcpStream, first: &Bytes) {
    let said = client.buffer.split().freeze();
    let begun = async {
        client.stream.write_all(first).await?;
        node.write_all(&said).await
    };
    if begun.await.is_ok() {
        let _ = copy_bidirectional_with_sizes(client.stream, &mut node, BUFFER, BUFFER).await;
    }
}
