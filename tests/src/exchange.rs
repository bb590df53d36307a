//! What two parties say to each other in every cell of the matrix.

use anyhow::{Context as _, Result, ensure};

use crate::party::Party;
use crate::xml::{Element, escape};

/// Characters that a router could mangle: markup, non-ASCII, an astral one.
const AWKWARD: &str = "a < b && c > \"d\" 'e' — è una città ☃ 𝄞 ]] >";

/// How many messages [`messages_in_order`] sends.
const ORDERED: usize = 1_000;

/// Everything below, `first` being the side that starts.
///
/// # Errors
/// The first exchange that failed.
pub fn all(first: &mut Party, second: &mut Party) -> Result<()> {
    message(first, second).context("a message")?;
    iq(first, second).context("an iq request and its answer")?;
    presence(first, second).context("presence")?;
    large_message(first, second).context("a message of 64 KiB")?;
    messages_in_order(first, second).context("1,000 messages in order")
}

/// A message; its text arrives as it was sent.
///
/// # Errors
/// When it does not.
pub fn message(from: &mut Party, to: &mut Party) -> Result<()> {
    send_message(from, &to.address, "m1", AWKWARD)?;
    let message = to.receive("message", &from.address)?;
    ensure!(message.attribute("id") == "m1" && message.attribute("type") == "chat");
    ensure!(body(&message)? == AWKWARD, "{message:?}");
    Ok(())
}

/// A request, and its answer back on the reverse route.
///
/// # Errors
/// When either does not arrive.
pub fn iq(from: &mut Party, to: &mut Party) -> Result<()> {
    let (sender, target) = (escape(&from.address), escape(&to.address));
    let query = "<query xmlns='urn:example:verona'><house>Capulet</house></query>";
    from.send(&format!("<iq type='get' id='q1' from='{sender}' to='{target}'>{query}</iq>"))?;
    let request = to.receive("iq", &from.address)?;
    ensure!(request.attribute("id") == "q1" && request.attribute("type") == "get");
    let asked = request.child("query").context("the request lost its payload")?;
    ensure!(asked.namespace == "urn:example:verona", "{request:?}");
    ensure!(asked.child("house").is_some_and(|house| house.text == "Capulet"), "{request:?}");

    to.send(&format!("<iq type='result' id='q1' from='{target}' to='{sender}'>{query}</iq>"))?;
    let answer = from.receive("iq", &to.address)?;
    ensure!(answer.attribute("id") == "q1" && answer.attribute("type") == "result");
    ensure!(answer.child("query") == Some(asked), "{answer:?}");
    Ok(())
}

/// Directed presence, available and then unavailable.
///
/// # Errors
/// When either does not arrive.
pub fn presence(from: &mut Party, to: &mut Party) -> Result<()> {
    let (sender, target) = (escape(&from.address), escape(&to.address));
    from.send(&format!(
        "<presence from='{sender}' to='{target}'><show>away</show><status>exiled</status></presence>"
    ))?;
    let available = to.receive("presence", &from.address)?;
    ensure!(available.attribute("type").is_empty());
    ensure!(available.child("status").is_some_and(|status| status.text == "exiled"));
    ensure!(available.child("show").is_some_and(|show| show.namespace == to.namespace));

    from.send(&format!("<presence type='unavailable' from='{sender}' to='{target}'/>"))?;
    let unavailable = to.receive("presence", &from.address)?;
    ensure!(unavailable.attribute("type") == "unavailable");
    Ok(())
}

/// A message whose body alone is 64 KiB: more than one TLS record, more than one read.
///
/// # Errors
/// When it does not arrive whole.
pub fn large_message(from: &mut Party, to: &mut Party) -> Result<()> {
    let text: String = (0..).map(|n: u32| format!("{n} ")).take(20_000).collect();
    let text = &text[..64 * 1024];
    send_message(from, &to.address, "large", text)?;
    let message = to.receive("message", &from.address)?;
    ensure!(body(&message)? == text, "the body arrived changed");
    Ok(())
}

/// 1,000 messages, sent without waiting, received in the order they were sent.
///
/// # Errors
/// When one is missing, doubled or overtaken.
pub fn messages_in_order(from: &mut Party, to: &mut Party) -> Result<()> {
    for number in 0..ORDERED {
        send_message(from, &to.address, &format!("o{number}"), &format!("message {number}"))?;
    }
    for number in 0..ORDERED {
        let message =
            to.receive("message", &from.address).with_context(|| format!("message {number}"))?;
        let text = body(&message)?;
        ensure!(text == format!("message {number}"), "{text:?} came as message {number}");
    }
    Ok(())
}

/// Sends a message with this text.
///
/// # Errors
/// When the stream is gone.
pub fn send_message(from: &mut Party, to: &str, id: &str, text: &str) -> Result<()> {
    let (sender, target) = (escape(&from.address), escape(to));
    let text = escape(text);
    from.send(&format!(
        "<message type='chat' id='{id}' from='{sender}' to='{target}'><body>{text}</body></message>"
    ))
}

/// The text of a message.
///
/// # Errors
/// When it has none, or has it in another namespace than its own.
pub fn body(message: &Element) -> Result<&str> {
    let body = message.child("body").context("the message lost its body")?;
    ensure!(body.namespace == message.namespace, "the body is in {:?}", body.namespace);
    Ok(&body.text)
}
