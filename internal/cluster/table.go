package cluster

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"mock-ec2-metadata/internal/api"
)

// print writes a table of nodes, and one of the pods that have a role, are refused one or never ask.
func (r *Report) print(out io.Writer, now time.Time) error {
	fmt.Fprintf(out, "%s in the namespace %s of context %s\n\n", oneLine(r.Image), oneLine(r.Namespace), r.Context)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row(w, "NODE", "STATE", "PODS", "SESSIONS", "API HEARD", "RELAY", "ERROR")
	for _, n := range r.Nodes {
		pods, sessions, heard, relay := "", "", "", ""
		problem := n.Error
		if k := n.kubernetes(); k != nil {
			pods, sessions, heard = fmt.Sprint(k.Pods), fmt.Sprint(len(k.Sessions)), age(k.WatchAgeSeconds)
			relay = relayState(k.Relay)
			problem = cmp.Or(problem, k.LastError)
		}
		row(w, n.Node, n.State, pods, sessions, heard, relay, problem)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return r.printPods(out, now)
}

func (n *NodeReport) kubernetes() *api.Kubernetes {
	if n.Status == nil {
		return nil
	}
	return n.Status.Kubernetes
}

func (r *Report) printPods(out io.Writer, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	shown := 0
	for _, n := range r.Nodes {
		k := n.kubernetes()
		if k == nil {
			continue
		}
		pods := slices.Clone(k.Assigned)
		slices.SortFunc(pods, func(a, b api.PodRole) int {
			return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
		})
		for _, p := range pods {
			if p.Role == "" && p.Denied == "" && p.Own == "" {
				continue
			}
			if shown == 0 {
				fmt.Fprintln(out)
				row(w, "POD", "NODE", "ROLE", "SESSION", "NOTE")
			}
			shown++
			state, failure := session(k, p, now)
			row(w, p.Namespace+"/"+p.Name, n.Node, p.Role, state, cmp.Or(note(p), failure))
		}
	}
	if shown == 0 {
		fmt.Fprintln(out, "\nno pod has a role")
	}
	return w.Flush()
}

// note says what keeps a pod from its role.
func note(p api.PodRole) string {
	switch {
	case p.Denied != "":
		return "refused: " + p.Denied
	case p.Own != "":
		return "never asks: " + p.Own
	}
	return ""
}

// session is the state of the credentials of a pod's role, and why they failed; of several of the role, the one that ends first.
func session(k *api.Kubernetes, p api.PodRole, now time.Time) (state, failure string) {
	if p.Denied != "" {
		return "", ""
	}
	var found *api.Credentials
	for i := range k.Sessions {
		s := &k.Sessions[i]
		if s.Role == p.Role && (found == nil || earlier(s.Credentials.Expiration, found.Expiration)) {
			found = &s.Credentials
		}
	}
	switch {
	case found == nil:
		return "", ""
	case found.LastError != "" || found.Expiration == nil:
		return found.State, found.LastError
	}
	return fmt.Sprintf("%s, %s left", found.State, max(0, found.Expiration.Sub(now)).Round(time.Minute)), ""
}

func earlier(a, b *time.Time) bool { return a != nil && (b == nil || a.Before(*b)) }

// age says how long ago the API was heard.
func age(seconds int64) string {
	if seconds < 0 {
		return "never"
	}
	return (time.Duration(seconds) * time.Second).String() + " ago"
}

func relayState(r *api.Relay) string {
	switch {
	case r == nil:
		return ""
	case r.Connected:
		return "connected"
	}
	return "not connected"
}

// row writes cells, each on one line.
func row(w io.Writer, cells ...string) {
	for i, cell := range cells {
		if cell = strings.Join(strings.Fields(strings.Join(lines(cell), " ")), " "); cell == "" {
			cell = "-"
		}
		cells[i] = cell
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}
