// Package console has the tests of the console in a real browser, Debian's Chromium, against the built daemon and a fake STS. They
// are run by make console-test.
package console
