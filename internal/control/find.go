package control

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// Find returns the socket of the only daemon that this user can control. It fails when there is none, or more than one.
func Find() (string, error) { return find(directories()) }

func find(dirs []string) (string, error) {
	var found []string
	for _, dir := range dirs {
		found = append(found, listening(dir)...)
	}
	switch len(found) {
	case 0:
		return "", errors.New("no running daemon was found in " + strings.Join(dirs, " or ") +
			"; start it (mock-ec2-metadata serve), or name its socket with --control or its address with --listen")
	case 1:
		return found[0], nil
	default:
		return "", errors.New("several daemons run; name one with --control:\n  " + strings.Join(found, "\n  "))
	}
}

// listening returns the sockets in a directory that a process listens on: none if the directory is not trusted.
func listening(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil || !trusted(dir) {
		return nil
	}
	var found []string
	for _, entry := range entries {
		if path := filepath.Join(dir, entry.Name()); isSocket(entry) && knock(path) == nil {
			found = append(found, path)
		}
	}
	return found
}

// knock connects to a socket. Only ECONNREFUSED says that no process listens on it.
func knock(path string) error {
	c, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(context.Background(), "unix", path)
	if err != nil {
		return err
	}
	return c.Close()
}
