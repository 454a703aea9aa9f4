package podproc

import (
	"slices"
	"strings"
)

// podUIDs returns the UIDs of the pods that a /proc/PID/cgroup names, each once. A process of a pod has one; a process of the node none.
// Several are a process whose hierarchies of cgroup v1 differ.
func podUIDs(text string) []string {
	var uids []string
	for line := range strings.Lines(text) {
		if uid := podOfPath(cgroupPath(line)); uid != "" && !slices.Contains(uids, uid) {
			uids = append(uids, uid)
		}
	}
	return uids
}

// cgroupPath is the path of a line "hierarchy:controllers:path".
func cgroupPath(line string) string {
	fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
	if len(fields) < 3 {
		return ""
	}
	return fields[2]
}

// podOfPath returns the UID of the pod that a cgroup is in, or "". A pod may make cgroups below its own with any name, so the first name
// from the root decides.
func podOfPath(path string) string {
	parent := ""
	for name := range strings.SplitSeq(path, "/") {
		// containerd with the driver of cgroupfs, below a kubelet with that of systemd, makes "SLICE:cri-containerd:ID".
		name, _, _ = strings.Cut(name, ":")
		if uid := podOfName(parent, name); uid != "" {
			return uid
		}
		parent = name
	}
	return ""
}

// podOfName returns the UID that one name of a path has, in the form of either of the kubelet's drivers:
//
//	kubepods/burstable/pod01234567-89ab-cdef-0123-456789abcdef
//	kubelet-kubepods-burstable-pod01234567_89ab_cdef_0123_456789abcdef.slice
//
// In a cgroup namespace the parent may be ".." instead.
func podOfName(parent, name string) string {
	if uid, ok := strings.CutPrefix(name, "pod"); ok {
		switch parent {
		case "kubepods", "burstable", "besteffort", "..":
			return canonicalUID(uid)
		}
		return ""
	}
	name, ok := strings.CutSuffix(name, ".slice")
	if !ok {
		return ""
	}
	// UIDs have no "-" here, which separates the names of slices.
	dash := strings.LastIndexByte(name, '-')
	if dash < 0 {
		return ""
	}
	uid, ok := strings.CutPrefix(name[dash+1:], "pod")
	if !ok {
		return ""
	}
	within := name[:dash]
	for _, quality := range []string{"-burstable", "-besteffort"} {
		within = strings.TrimSuffix(within, quality)
	}
	if within != "kubepods" && !strings.HasSuffix(within, "-kubepods") {
		return ""
	}
	return canonicalUID(uid)
}

// canonicalUID returns a UID as the API has it, or "" if it is none: 8-4-4-4-12 hexadecimal digits, or the 32 digits of a static pod's hash.
func canonicalUID(s string) string {
	s = strings.ToLower(strings.ReplaceAll(s, "_", "-"))
	dashed := len(s) == 36
	if !dashed && len(s) != 32 {
		return ""
	}
	for i, c := range []byte(s) {
		isDash := dashed && (i == 8 || i == 13 || i == 18 || i == 23)
		isHex := '0' <= c && c <= '9' || 'a' <= c && c <= 'f'
		if isDash != (c == '-') || !isDash && !isHex {
			return ""
		}
	}
	return s
}
