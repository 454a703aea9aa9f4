//go:build !unix

package main

import "os"

// interactive is false where nobody has tried it; the mfa command works all the same.
func interactive(*os.File) bool { return false }

func neverStop() {}
