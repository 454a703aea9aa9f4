//go:build !unix

package credentials

import "io/fs"

// private trusts the access control list of the user's directory.
func private(fs.FileInfo, fs.FileMode) error { return nil }
