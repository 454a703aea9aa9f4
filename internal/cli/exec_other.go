//go:build !unix

package cli

import "os"

// forwarded is the signal that the console also sends to the command; it must not end this process first.
func forwarded() []os.Signal { return []os.Signal{os.Interrupt} }

func sentToAll(os.Signal) bool { return true }
