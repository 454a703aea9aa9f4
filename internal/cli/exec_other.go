//go:build !unix

package cli

import "os"

// passedOn is what would end this process before the command, which the console sends it as well.
func passedOn() []os.Signal { return []os.Signal{os.Interrupt} }

func sentToAll(os.Signal) bool { return true }
