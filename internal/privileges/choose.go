package privileges

import (
	"fmt"
	"math"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// nobody is the owner of all files whose owner a user namespace does not map, as in a rootless container (proc(5),
// overflowuid). So it is no hint.
const nobody = 65534

// machine is what a choice depends on; tests replace it.
type machine struct {
	getenv       func(name string) string
	byName, byID func(text string) (*user.User, error)
	groups       func(*user.User) ([]string, error)
	owner        func(path string) (uid int, known bool)
}

func thisMachine() machine {
	return machine{os.Getenv, user.Lookup, user.LookupId, (*user.User).GroupIds, owner}
}

// Choose finds the user to become: wanted, a name or number; otherwise the user who called sudo; otherwise the first owner of
// one of files that is not root. UID 0 means to stay root.
func Choose(wanted string, files []string) (*User, error) {
	return choose(thisMachine(), wanted, files)
}

// IsCurrent tells whether the process runs as a user, given by name or number.
func IsCurrent(wanted string) bool {
	u, err := thisMachine().find(wanted)
	return err == nil && u.UID == os.Geteuid()
}

func choose(m machine, wanted string, files []string) (*User, error) {
	if wanted != "" {
		u, err := m.find(wanted)
		if err != nil {
			return nil, err
		}
		u.Reason = "server.user"
		return u, nil
	}
	if uid, ok := number(m.getenv("SUDO_UID")); ok && uid != 0 {
		u := m.numbered(uid)
		if gid, ok := number(m.getenv("SUDO_GID")); ok && u.Name == "" {
			u.GID, u.Home = gid, m.getenv("SUDO_HOME") // sudo may know an account that this program cannot look up
		}
		u.Reason = "SUDO_UID"
		return u, nil
	}
	for _, file := range files {
		if uid, known := m.owner(file); known && uid != 0 && uid != nobody {
			u := m.numbered(uid)
			u.Reason = "owner of " + file
			return u, nil
		}
	}
	return &User{Name: "root"}, nil
}

// find returns a user by name or number.
func (m machine) find(wanted string) (*User, error) {
	if wanted == "root" {
		return &User{Name: wanted}, nil // also where there are no accounts, as in an image from scratch
	}
	if strings.Trim(wanted, "0123456789") == "" {
		uid, ok := number(wanted)
		if !ok {
			return nil, fmt.Errorf("%s is not a uid; the largest is %d", wanted, uint32(math.MaxUint32-1))
		}
		return m.numbered(uid), nil
	}
	found, err := m.byName(wanted)
	if err != nil {
		return nil, fmt.Errorf("there is no user %q here; name another, or give the number (id -u %s)", wanted, wanted)
	}
	return m.account(found)
}

// numbered returns the user with a number. Without an account its group has the same number.
func (m machine) numbered(uid int) *User {
	if found, err := m.byID(strconv.Itoa(uid)); err == nil {
		if u, err := m.account(found); err == nil {
			return u
		}
	}
	return &User{UID: uid, GID: uid}
}

func (m machine) account(found *user.User) (*User, error) {
	uid, isUID := number(found.Uid)
	gid, isGID := number(found.Gid)
	if !isUID || !isGID {
		return nil, fmt.Errorf("the account %s has the numbers %q and %q, which no user and no group can have; fix the account, or give a number", found.Username, found.Uid, found.Gid)
	}
	u := &User{Name: found.Username, UID: uid, GID: gid, Home: found.HomeDir}
	ids, _ := m.groups(found) // without a group file there are none
	for _, id := range ids {
		if group, ok := number(id); ok {
			u.Groups = append(u.Groups, group)
		}
	}
	return u, nil
}

// number parses a uid or gid. The system reserves the largest 32-bit number for "unchanged".
func number(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return int(n), err == nil && n < math.MaxUint32
}
