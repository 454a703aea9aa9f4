package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Info is a cluster as its nodes and the kubeconfig describe it.
type Info struct {
	// Context and Server are the kubeconfig's; Server is a URL.
	Context, Server string
	Kind            Kind
	// Name is the cluster's in its own tool; "" if the tool has no names.
	Name    string
	Network Network
	// ThisMachine says that this machine is a node.
	ThisMachine bool
	nodes       []node
}

// String is the kind, with the name.
func (i *Info) String() string {
	text := string(i.Kind)
	if i.Kind == Unknown {
		text = "a kind that is not known"
	}
	if i.Name != "" {
		text += " " + i.Name
	}
	if i.ThisMachine {
		text += ", on this machine"
	}
	return text
}

// Nodes are the names of all nodes.
func (i *Info) Nodes() []string {
	names := make([]string, 0, len(i.nodes))
	for _, n := range i.nodes {
		names = append(names, n.Metadata.Name)
	}
	return names
}

// present are the names of the nodes where pods can run, absent those of the others, each with why.
func (i *Info) present() (present, absent []string) {
	for _, n := range i.nodes {
		if why := n.absent(); why != "" {
			absent = append(absent, n.Metadata.Name+" "+why)
		} else {
			present = append(present, n.Metadata.Name)
		}
	}
	return present, absent
}

// isLocal reports whether the cluster is surely the user's own.
func (i *Info) isLocal() bool { return i.Kind.isLocal() || i.ThisMachine && len(i.nodes) == 1 }

// Detect finds out which cluster it is. It changes nothing.
func (c *Cluster) Detect(ctx context.Context) (*Info, error) {
	var kubeconfig struct {
		Current  string `json:"current-context"`
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
			} `json:"cluster"`
		} `json:"clusters"`
	}
	if err := c.kubectl.query(ctx, &kubeconfig, "config", "view", "--minify"); err != nil {
		return nil, err
	}
	c.kubectl.found = kubeconfig.Current
	info := &Info{Context: oneLine(kubeconfig.Current)}
	if len(kubeconfig.Clusters) > 0 {
		info.Server = oneLine(kubeconfig.Clusters[0].Cluster.Server)
	}
	var nodes list[node]
	if err := c.kubectl.query(ctx, &nodes, "get", "nodes"); err != nil {
		return nil, err
	}
	if len(nodes.Items) == 0 {
		return nil, fmt.Errorf("the cluster of context %s: it has no nodes; add one, or name another with --context", info.Context)
	}
	info.nodes = nodes.Items
	info.Kind, info.Name = identify(info.Context, info.nodes)
	for i := range info.nodes {
		info.ThisMachine = info.ThisMachine || c.opt.Machine.isNode(&info.nodes[i])
	}
	return info, nil
}

// enter detects the cluster, prints it, and refuses or asks about those that may not be the user's own.
func (c *Cluster) enter(ctx context.Context, what string) (*Info, error) {
	info, err := c.Detect(ctx)
	if err != nil {
		return nil, err
	}
	info.Network = c.network(ctx, info.nodes)
	c.out.line(markOK, "cluster", "%s; context %s, %s", info, info.Context, info.Server)
	c.out.line(markOK, "nodes", "%d: %s", len(info.nodes), listed(info.Nodes()))
	c.out.line(markOK, "network", "%s", info.Network)
	if info.Kind == EC2 && !c.opt.OnEC2 {
		return nil, fmt.Errorf("the cluster of context %s: its nodes are EC2 instances, where a real metadata service answers at 169.254.169.254; "+
			"use another context, or --on-ec2 to take its place", info.Context)
	}
	if info.isLocal() || c.opt.Yes || c.opt.DryRun {
		return info, nil
	}
	if c.opt.Confirm == nil {
		return nil, fmt.Errorf("the cluster of context %s at %s: it may not be your own, and there is no terminal to ask at; "+
			"use --yes to %s, or name another with --context", info.Context, info.Server, what)
	}
	question := fmt.Sprintf("%s on the cluster of context %s at %s, which may not be your own?",
		strings.ToUpper(what[:1])+what[1:], info.Context, info.Server)
	yes, err := c.opt.Confirm(ctx, question)
	if err != nil {
		return nil, err
	}
	if !yes {
		return nil, errors.New("nothing was changed; name another cluster with --context")
	}
	return info, nil
}
