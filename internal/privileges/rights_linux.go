package privileges

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readSearch reads files and goes through directories of everybody, and does nothing else (capabilities(7)).
const readSearch = unix.CAP_DAC_READ_SEARCH

// errCgo: a library may have threads that Go does not know of.
var errCgo = errors.New("this binary was built with cgo, and only one built without it (CGO_ENABLED=0) can keep it")

// retainRights has the capabilities survive the change of the uid, though not in effect. They have to be dropped after it.
func retainRights() error { return onAllThreads("prctl", unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1, 0) }

// dropRights leaves no capability.
func dropRights() error {
	// With cgo none was retained.
	if err := capset(0); err != nil && !errors.Is(err, errCgo) {
		return err
	}
	return verifyRights(0)
}

// keepReading leaves readSearch in effect. It is not inheritable: no program that is run gets it.
func keepReading() error {
	var all [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &all[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	if all[0].Permitted&(1<<readSearch) == 0 {
		return errors.New("the process was started without CAP_DAC_READ_SEARCH")
	}
	if err := capset(1 << readSearch); err != nil {
		return err
	}
	return verifyRights(1 << readSearch)
}

// capset makes these the capabilities of every thread.
func capset(rights uint32) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3} // of the calling thread
	data := [2]unix.CapUserData{{Effective: rights, Permitted: rights}}
	err := onAllThreads("capset", unix.SYS_CAPSET,
		uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0) //nolint:gosec // as the call takes them
	if err != nil {
		return err
	}
	return onAllThreads("prctl", unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 0, 0)
}

// verifyRights looks whether these are all the capabilities there are.
func verifyRights(rights uint32) error {
	var got [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &got[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	if got[0].Effective != rights || got[0].Permitted != rights || got[1].Effective != 0 || got[1].Permitted != 0 {
		return fmt.Errorf("capset has left the capabilities %08x%08x, in effect %08x%08x, instead of %x",
			got[1].Permitted, got[0].Permitted, got[1].Effective, got[0].Effective, rights)
	}
	return nil
}

// onAllThreads makes a system call that concerns just the calling thread on each of them.
//
//go:uintptrescapes
func onAllThreads(name string, call, a1, a2, a3 uintptr) error {
	switch _, _, errno := syscall.AllThreadsSyscall(call, a1, a2, a3); errno {
	case 0:
		return nil
	case syscall.ENOTSUP:
		return errCgo
	default:
		return fmt.Errorf("%s: %w", name, errno)
	}
}
