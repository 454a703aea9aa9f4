package config

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Node is what the Kubernetes API says of a node. Empty texts are unknown.
type Node struct {
	Name string
	// Cluster is a name for the cluster, such as the first digits of the UID of the namespace kube-system.
	Cluster string
	// Zone and InstanceType are the values of the labels topology.kubernetes.io/zone and node.kubernetes.io/instance-type.
	Zone, InstanceType string
	// IPv4 and IPv6 are the InternalIP of each family.
	IPv4, IPv6 string
}

const (
	nodePath     = "kubernetes.node"
	clusterPath  = "kubernetes.cluster_name"
	baseRolePath = "kubernetes.base_role_arn"
	// nodeVariable has the node's name in pods of the cluster's binary.
	nodeVariable = "NODE_NAME"
)

// deriveNode sets the values that describe the node and that no source has set: its name by the environment, all others by
// Sources.Node. A label that does not look like AWS's is left out: other clusters have zones and types of their own.
func (l *loader) deriveNode() {
	k := &l.config.Kubernetes
	if !k.Enabled {
		return
	}
	if name := l.sources.variable(nodeVariable); name != "" && !l.isSet(nodePath) {
		at := origin{name: nodeVariable}
		if wrong := check("Kubernetes name", name); wrong != "" {
			l.fail(at, nodePath, "%s", wrong)
			return
		}
		k.Node = name
		l.scope.origins.set(nodePath, at)
	}
	if k.Node == "" || l.sources.Node == nil || l.scope.broken[nodePath] {
		return
	}
	n := l.sources.Node(k.Node)
	if n == (Node{}) {
		return
	}
	at := origin{name: "node " + k.Node}
	l.deriveFact(clusterPath, at, &k.ClusterName, n.Cluster, "cluster name")
	e, place := &l.config.EC2, &l.config.AWS
	l.deriveFact("ec2.instance_id", at, &e.InstanceID, nodeInstanceID(k.ClusterName, k.Node), "usual instance id")
	l.deriveFact("ec2.instance_type", at, &e.InstanceType, n.InstanceType, "usual instance type")
	if region := regionOfZone().FindString(n.Zone); !l.isSet(regionPath) || region == place.Region {
		l.deriveFact(zonePath, at, &place.AvailabilityZone, n.Zone, "zone")
	}
	if !l.hasNetwork("4") {
		l.deriveFact("ec2.local_ipv4", at, &e.LocalIPv4, n.IPv4, "IPv4")
	}
	if !l.hasNetwork("6") {
		l.deriveFact("ec2.ipv6", at, &e.IPv6, n.IPv6, "IPv6")
	}
}

// deriveFact sets a value that no source has set to a fact of the node that follows a rule.
func (l *loader) deriveFact(path string, at origin, to *string, fact, rule string) {
	if fact == "" || l.isSet(path) || l.scope.broken[path] || check(rule, fact) != "" {
		return
	}
	*to = fact
	l.scope.origins.set(path, at)
}

// hasNetwork reports whether a source has set addresses or networks of a family, which the node's address need not be in.
func (l *loader) hasNetwork(family string) bool {
	vpc, subnet, list := "ec2.vpc_ipv4_cidr_blocks", "ec2.subnet_ipv4_cidr_block", "ec2.local_ipv4s"
	if family == "6" {
		vpc, subnet, list = "ec2.vpc_ipv6_cidr_blocks", "ec2.subnet_ipv6_cidr_blocks", "ec2.ipv6s"
	}
	return l.isSet(vpc) || l.isSet(subnet) || l.isSet(list)
}

// nodeInstanceID is the instance id of a node: the same in each run, and another for each node of each cluster.
func nodeInstanceID(cluster, node string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{"instance of a node", cluster, node}, "\x00")))
	return "i-" + hex.EncodeToString(sum[:])[:17]
}

// deriveBaseRole sets kubernetes.base_role_arn by the account, if a source or the role tells it. The default account is made up, so it does not count.
func (l *loader) deriveBaseRole() {
	k, c := &l.config.Kubernetes, l.config
	if !k.Enabled || l.isSet(baseRolePath) || l.scope.broken[accountPath] || l.scope.broken[rolePath] {
		return
	}
	from := origin{name: accountPath}
	switch {
	case l.isSet(accountPath):
	case c.Credentials.IAMRole != "":
		from.name = rolePath
	case !c.Credentials.Mock:
		return
	}
	k.BaseRoleARN = mockRole(c.AWS, "")
	if m := partitionOfARN(c.Credentials.IAMRole); m != "" && from.name == rolePath {
		k.BaseRoleARN = "arn:" + m + ":iam::" + c.AWS.AccountID + ":role/"
	}
	l.scope.origins.set(baseRolePath, from)
}
