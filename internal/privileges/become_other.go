//go:build !unix

package privileges

import (
	"errors"
	"runtime"
)

// Become fails: there is no root here.
func (u *User) Become([]string) error {
	return errors.New("server.user needs Unix, and this is " + runtime.GOOS + "; leave it out")
}

func owner(string) (uid int, known bool) { return 0, false }

func groupOf(string) (gid int, known bool) { return 0, false }

func ownGroups() []int { return nil }
