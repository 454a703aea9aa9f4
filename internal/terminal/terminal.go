// Package terminal knows whether a person can be asked, and asks for MFA codes.
package terminal

import "os"

// Attached tells whether the process can ask a person: input and errors are its terminal, and it is in the foreground.
func Attached() bool { return Foreground(os.Stdin) && Foreground(os.Stderr) }
