// Package relay carries credentials from a laptop to the daemons in a cluster, over a byte stream to each node (kubernetes.md section
// 6.2). The pod's end is a Hub: its providers ask the laptop. The laptop's end is a Feeder, whose Issuer decides by itself what a pod
// gets: it does not trust the nodes. Pipe joins the two within the pod.
//
// Each line of the stream is a JSON object of at most 64 KiB. Each end says hello first, with the version of the protocol. Then the pod
// sends wishes and drops, and the laptop credentials and errors. Both send a ping every 10 seconds. Fields that an end does not know are
// ignored.
package relay

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/credentials"
)

// Wish is what a daemon in the cluster asks the laptop for. It names whom the credentials are for, and what the daemon expects. External
// ids, tags and policies are no part of it: the laptop knows them by itself. No way of printing a Wish shows the annotations of the pod.
type Wish struct {
	Subject caller.Subject
	// Role is the ARN of the role that the daemon expects; "" for the profile's own credentials.
	Role string
	// SessionName is the daemon's, for roles whose session name the laptop's configuration leaves open.
	SessionName string
	// Duration is the life that the daemon's configuration asks for. RefreshBefore is how long before expiry the daemon's keeper asks
	// again. Both are of whole milliseconds, at most 24 hours.
	Duration      time.Duration
	RefreshBefore time.Duration
}

// wishFor is the wish for the credentials of a Spec, which has a Subject.
func wishFor(s credentials.Spec) Wish {
	return Wish{Subject: *s.Subject, Role: s.IssuedRole(), SessionName: s.SessionName, Duration: s.Duration, RefreshBefore: s.RefreshBefore}
}

// String names the pod, the node and the role.
func (w Wish) String() string {
	return fmt.Sprintf("wish of %s for role %q [redacted]", who(w.Subject), w.Role)
}

// Format redacts under every verb, %#v and %x included.
func (w Wish) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, w.String()) }

// LogValue redacts in logs.
func (w Wish) LogValue() slog.Value { return slog.StringValue(w.String()) }

// MarshalText redacts in JSON and other encodings.
func (w Wish) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// who names the pod, or the node if it is for the node's own processes.
func who(s caller.Subject) string {
	if s.Via == caller.ViaHost {
		return fmt.Sprintf("node %q", s.Node)
	}
	return fmt.Sprintf("pod %q on node %q", s.Pod.Namespace+"/"+s.Pod.Name, s.Node)
}

// asError is err as it travels to the pod: as it is, or as one without a code of AWS.
func asError(err error, temporary bool) *credentials.Error {
	if e, ok := errors.AsType[*credentials.Error](err); ok {
		return e
	}
	return &credentials.Error{Code: credentials.CodeFailed, Message: err.Error(), Temporary: temporary}
}
