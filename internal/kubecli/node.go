package kubecli

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/kube"
	"mock-ec2-metadata/internal/manifest"
)

const (
	// readTimeout bounds one question to the Kubernetes API about the node.
	readTimeout = 3 * time.Second
	// readAgain is how long the daemon waits until it asks again while it cannot be answered.
	readAgain = 5 * time.Second
	// nodeFile is in the state directory of the node.
	nodeFile = "node.json"
	// clusterVariable is set in every pod.
	clusterVariable = "KUBERNETES_SERVICE_HOST"
)

// nodeFacts are what the Kubernetes API has told about the node.
type nodeFacts struct {
	read func(name string) (*kube.Node, error) // asks the API
	file string                                // keeps the answer for a start while the API is away

	mu    sync.Mutex // guards the fields below
	known *kube.Node // as the API has it; nil before its first answer
}

func newNodeFacts() *nodeFacts {
	return &nodeFacts{read: readNode, file: filepath.Join(manifest.StateDir, nodeFile)}
}

// get returns what is known about the node. It asks the API if it has not answered yet, and uses its last answer to an earlier run if
// it does not.
func (n *nodeFacts) get(name string) config.Node {
	if os.Getenv(clusterVariable) == "" {
		return config.Node{}
	}
	if n.now() == nil {
		if node, err := n.read(name); err == nil {
			n.set(node)
		}
	}
	if known := n.now(); known != nil {
		return factsOf(known)
	}
	var last kube.Node
	if text, err := os.ReadFile(n.file); err == nil && json.Unmarshal(text, &last) == nil && last.Name == name {
		return factsOf(&last)
	}
	return config.Node{Name: name}
}

// now is what the API has told; nil for nothing. Requests of pods wait for the mutex, so it is never held while the API is asked.
func (n *nodeFacts) now() *kube.Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known
}

func (n *nodeFacts) set(node *kube.Node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known = node
}

func readNode(name string) (*kube.Node, error) {
	api, err := kube.InCluster()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	node, err := kube.ReadNode(ctx, api, name)
	if err != nil {
		return nil, err
	}
	return &node, nil
}

// factsOf are the values of a node that the configuration takes.
func factsOf(n *kube.Node) config.Node {
	facts := config.Node{Name: n.Name, Cluster: n.Cluster, Zone: n.Zone, InstanceType: n.InstanceType}
	for _, a := range n.Addresses {
		switch {
		case a.Is4() && facts.IPv4 == "":
			facts.IPv4 = a.String()
		case a.Is6() && facts.IPv6 == "":
			facts.IPv6 = a.String()
		}
	}
	return facts
}

// follow keeps what is known for the next run. While nothing is known it asks again, and then reloads the configuration.
func (n *nodeFacts) follow(ctx context.Context, name string, reload func(why string) error, log *slog.Logger) {
	for !n.save(log) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(readAgain):
		}
		node, err := n.read(name)
		if err != nil {
			log.Debug("cannot read the node", "node", name, "error", err)
			continue
		}
		n.set(node)
		_ = reload("the node is known now") // it logs the error
	}
}

// save keeps what is known. It reports whether anything is.
func (n *nodeFacts) save(log *slog.Logger) bool {
	known := n.now()
	if known == nil {
		return false
	}
	text, err := json.Marshal(known)
	if err == nil {
		err = os.WriteFile(n.file, text, 0o600)
	}
	if err != nil {
		log.Debug("cannot keep what is known about the node", "error", err)
	}
	return true
}
