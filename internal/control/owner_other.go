//go:build !unix

package control

import "io/fs"

// ownedBy cannot tell: the temporary directory is the user's own here.
func ownedBy(fs.FileInfo, int) bool { return true }
