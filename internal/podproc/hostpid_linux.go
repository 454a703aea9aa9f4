package podproc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// firstNamespace is what /proc/self/ns/pid of a process in the machine's first process namespace leads to. The kernel gives that one the
// same number since Linux 3.8 (PROC_PID_INIT_INO).
const firstNamespace = "pid:[4026531836]"

var errHostPID = errors.New("hostPID is off: process 1 is of this pod, and other pods' processes cannot be seen; set hostPID: true in the DaemonSet")

// seesNode fails if other pods' processes cannot be seen. In the machine's first process namespace all can. Elsewhere process 1 decides: a
// node may be a container, as in kind, but its process 1 is in no pod. Without hostPID, process 1 is this container's first, or with
// shareProcessNamespace the pod's; then it is in this process's cgroup, in a pod's, or beside this process's.
func seesNode(root string) error {
	if target, err := os.Readlink(filepath.Join(root, "self/ns/pid")); err == nil && target == firstNamespace {
		return nil
	}
	one, err := cgroupOf(root, "1")
	if err != nil {
		return err // procfs with hidepid, or none
	}
	own, err := cgroupOf(root, "self")
	if err != nil {
		return err
	}
	if one == own || len(podUIDs(one)) > 0 || isSibling(one) {
		return errHostPID
	}
	return nil
}

func cgroupOf(root, process string) (string, error) {
	text, err := os.ReadFile(filepath.Clean(filepath.Join(root, process, "cgroup")))
	if err != nil {
		return "", fmt.Errorf("processes of the node: %w", err)
	}
	return string(text), nil
}

// isSibling says whether a cgroup is shown as one beside this process's, "/../NAME". A node's is further up: between a container and the
// root are the pod and at least kubepods.
func isSibling(text string) bool {
	for line := range strings.Lines(text) {
		path := cgroupPath(line)
		if strings.HasPrefix(path, "/../") && !strings.HasPrefix(path, "/../..") {
			return true
		}
	}
	return false
}
