//! The program in the image that tests deliver: prints what lies beside it, so that a test sees which
//! image it was.

fn main() {
    println!("{}", std::fs::read_to_string("/greeting").expect("the image holds it").trim());
}
