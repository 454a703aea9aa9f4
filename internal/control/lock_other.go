//go:build !unix

package control

import "os"

// lock has nothing to do on Windows, where an open file cannot be removed.
func lock(*os.File) bool { return true }
