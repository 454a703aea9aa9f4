//go:build !unix

package terminal

import "os"

// Foreground is false where it has not been tried. The mfa command works all the same.
func Foreground(*os.File) bool { return false }

// IgnoreStop does nothing.
func IgnoreStop() {}
