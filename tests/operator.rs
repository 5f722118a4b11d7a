//! The commands that an operator signs in and diagnoses with: the built program against a stand-in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "operator/aadsts.rs"]
mod aadsts;
#[path = "operator/desk.rs"]
mod desk;
#[path = "operator/doctor.rs"]
mod doctor;
#[path = "operator/login.rs"]
mod login;
#[path = "operator/person.rs"]
mod person;
#[path = "operator/token.rs"]
mod token;
