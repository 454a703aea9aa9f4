//go:build unix && !linux

package privileges

import "errors"

// Here root's rights go with its uid, as a whole.

func retainRights() error { return errors.New("that takes Linux") }

func dropRights() error { return nil }

func keepReading() error { return retainRights() }
