package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"mock-ec2-metadata/internal/api"
)

// statusTimeout bounds the question to one daemon.
const statusTimeout = 15 * time.Second

// ErrNotInstalled says that the cluster has no daemon.
var ErrNotInstalled = errors.New("the cluster has no mock-ec2-metadata; install it: " + program + " up")

// States of a node.
const (
	NodeOK          = "ok"
	NodeDegraded    = "degraded"
	NodeUnreachable = "unreachable"
	NodeWithout     = "no daemon"
)

// Report is the status of all daemons of a cluster. It holds no secret.
type Report struct {
	Context   string       `json:"context"`
	Namespace string       `json:"namespace"`
	Image     string       `json:"image"`
	Nodes     []NodeReport `json:"nodes"`
}

// NodeReport is the status of the daemon on a node.
type NodeReport struct {
	Node string `json:"node"`
	Pod  string `json:"pod,omitempty"`
	// State is one of the Node constants.
	State string `json:"state"`
	// Error says why the state is not NodeOK.
	Error string `json:"error,omitempty"`
	// Status is what the daemon says; absent if it was not reached.
	Status *api.Status `json:"status,omitempty"`
}

// Status asks the daemon on each node. asJSON prints the Report; otherwise tables are printed, for people. The error is ErrNotInstalled,
// or names the nodes that are not well.
func (c *Cluster) Status(ctx context.Context, asJSON bool) error {
	report, err := c.Report(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(c.opt.Out, "%s\n", text); err != nil {
			return err
		}
	} else if err := report.print(c.opt.Out, c.opt.Now()); err != nil {
		return err
	}
	var unwell []string
	for _, n := range report.Nodes {
		if n.State != NodeOK {
			unwell = append(unwell, n.Node+" "+n.State)
		}
	}
	if len(unwell) > 0 {
		return fmt.Errorf("%d of %s not well: %s", len(unwell), nodeCount(len(report.Nodes)), listed(unwell))
	}
	return nil
}

// Report asks the daemon on each node of the cluster.
func (c *Cluster) Report(ctx context.Context) (*Report, error) {
	info, err := c.Detect(ctx)
	if err != nil {
		return nil, err
	}
	found, err := c.inventory(ctx, Network{})
	if err != nil {
		return nil, err
	}
	sets := append(found.sets, found.others...)
	if len(sets) == 0 {
		return nil, ErrNotInstalled
	}
	image, _ := sets[0].Spec.Template.Spec.image()
	report := &Report{Context: info.Context, Namespace: sets[0].Metadata.Namespace, Image: image}
	pods := map[string]*pod{}
	for i, p := range found.pods {
		if p.Metadata.DeletionTimestamp == nil {
			pods[p.Spec.NodeName] = &found.pods[i]
		}
	}
	for i := range info.nodes {
		n := &info.nodes[i]
		entry := NodeReport{Node: n.Metadata.Name, State: NodeWithout}
		if p := pods[entry.Node]; p != nil {
			entry.Pod, entry.State = p.Metadata.Namespace+"/"+p.Metadata.Name, ""
		} else if os := n.Status.NodeInfo.OperatingSystem; os != "" && os != "linux" {
			continue
		} else {
			entry.Error = "no pod of the DaemonSet is there"
		}
		if why := n.absent(); why == "is not ready" {
			entry.State, entry.Error = NodeUnreachable, "the node "+why
		}
		report.Nodes = append(report.Nodes, entry)
	}
	names := make([]string, len(report.Nodes))
	byName := map[string]*NodeReport{}
	for i := range report.Nodes {
		names[i] = report.Nodes[i].Node
		byName[names[i]] = &report.Nodes[i]
	}
	onNodes(names, func(name string) error {
		if entry := byName[name]; entry.State == "" {
			c.ask(ctx, entry, pods[name])
		}
		return nil
	})
	return report, ctx.Err()
}

// ask fills in what the daemon of a pod says.
func (c *Cluster) ask(ctx context.Context, entry *NodeReport, p *pod) {
	entry.State = NodeUnreachable
	if why := p.broken(); why != "" {
		entry.Error = why
		return
	}
	out, err := c.kubectl.run(ctx, statusTimeout, nil, execArgs(entry.Pod, false, "status", "--daemon", "--json")...)
	if err != nil {
		entry.Error = err.Error()
		return
	}
	s := &api.Status{}
	if err := json.Unmarshal(out, s); err != nil {
		entry.Error = "the daemon's answer cannot be read: " + err.Error()
		return
	}
	for i := range s.Identities {
		s.Identities[i].ID = "" // a secret
	}
	if s.ECS != nil {
		for i := range s.ECS.Containers {
			s.ECS.Containers[i].CredentialsID = ""
		}
	}
	entry.State, entry.Status = NodeOK, s
	if s.Status != api.StatusOK {
		entry.State = NodeDegraded
		if problems := s.Problems(); len(problems) > 0 {
			entry.Error = problems[0]
		}
	}
}
