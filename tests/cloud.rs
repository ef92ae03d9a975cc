//! Every question and every change of AWS, against the dev cloud on a socket, with the real SDK clients.

mod cloud {
    mod fleet;
    mod image;
    mod records;
    mod support;
    mod switch;
}
