package privileges

import (
	"fmt"
	"math"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// nobody stands for every owner that a user namespace, such as that of a rootless container, does not know (proc(5),
// overflowuid), so that as an owner it says nothing.
const nobody = 65534

// machine is what a choice is made by; tests have one of their own.
type machine struct {
	getenv       func(name string) string
	byName, byID func(text string) (*user.User, error)
	groups       func(*user.User) ([]string, error)
	owner        func(path string) (uid int, known bool)
}

func thisMachine() machine {
	return machine{os.Getenv, user.Lookup, user.LookupId, (*user.User).GroupIds, owner}
}

// Choose finds the user to become: the one that is wanted, by name or number; else the one who called sudo; else the first
// owner of one of files that is not root. UID 0 is to stay root.
func Choose(wanted string, files []string) (*User, error) {
	return choose(thisMachine(), wanted, files)
}

// IsCurrent says whether a user, by name or number, is the one that the process runs as.
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
			u.GID, u.Home = gid, m.getenv("SUDO_HOME") // sudo may know an account that this program has no way to
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

// find gives a user by name or number.
func (m machine) find(wanted string) (*User, error) {
	if wanted == "root" {
		return &User{Name: wanted}, nil // also where there are no accounts, as in an image from scratch
	}
	if strings.Trim(wanted, "0123456789") == "" {
		uid, ok := number(wanted)
		if !ok {
			return nil, fmt.Errorf("%s is no user's number; the largest is %d", wanted, uint32(math.MaxUint32-1))
		}
		return m.numbered(uid), nil
	}
	found, err := m.byName(wanted)
	if err != nil {
		return nil, fmt.Errorf("there is no user %q here; name another, or give the number (id -u %s)", wanted, wanted)
	}
	return m.account(found)
}

// numbered gives the user with a number, which need not have an account: its group has the same number then.
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
		return nil, fmt.Errorf("the account %s has the numbers %q and %q, which no user and no group can have; mend it, or give a number", found.Username, found.Uid, found.Gid)
	}
	u := &User{Name: found.Username, UID: uid, GID: gid, Home: found.HomeDir}
	ids, _ := m.groups(found) // without a file of groups nobody is in any
	for _, id := range ids {
		if group, ok := number(id); ok {
			u.Groups = append(u.Groups, group)
		}
	}
	return u, nil
}

// number reads a uid or gid. The largest of 32 bits means "unchanged" to the system, and is nobody's.
func number(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return int(n), err == nil && n < math.MaxUint32
}
