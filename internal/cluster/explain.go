package cluster

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var (
	// logLine is a line of klog, which kubectl's libraries print beside its own message.
	logLine = regexp.MustCompile(`^[EWI]\d{4} \d\d:\d\d:\d\d`)
	// forbidden is how the API server refuses: who, verb, resource, API group, where.
	forbidden = regexp.MustCompile(`User "([^"]*)" cannot (\S+) resource "([^"]*)" in API group "([^"]*)"(?: in the namespace "([^"]*)")?`)
)

// hints are ways out, by what kubectl prints. The first that is found counts.
var hints = []struct{ found, hint string }{
	{"current-context must exist", "kubectl knows no cluster; start one (minikube start, kind create cluster) or name one with --context"},
	{"current-context is not set", "kubectl knows no cluster; start one (minikube start, kind create cluster) or name one with --context"},
	{"cannot locate context", "there is no such context; kubectl config get-contexts lists them"},
	{"context was not found", "there is no such context; kubectl config get-contexts lists them"},
	{"violates PodSecurity", "the namespace forbids pods with the node's network; use another one: --namespace"},
	{"was refused - did you specify the right host or port", "the cluster does not answer; start it, or name another with --context"},
	{"connection refused", "the cluster does not answer; start it, or name another with --context"},
	{"no such host", "the cluster's name is not known here; is its VPN up? --context names another cluster"},
	{"i/o timeout", "the cluster does not answer; is it running, and is its VPN up? --context names another cluster"},
	{"Client.Timeout", "the cluster does not answer; is it running, and is its VPN up? --context names another cluster"},
	{"no answer within", "the cluster does not answer in time; is it running, and is its VPN up? --context names another cluster"},
	{"Unable to connect to the server", "the cluster does not answer; is it running? --context names another cluster"},
	{"Unauthorized", "the cluster refuses the credentials of the kubeconfig; log in to it again"},
	{"must be logged in", "the cluster refuses the credentials of the kubeconfig; log in to it again"},
	{"x509", "the certificates do not match; the cluster was made anew, perhaps: write its kubeconfig again"},
}

// explain adds what was tried and the way out to a failure of kubectl.
func (k *Kubectl) explain(args []string, err error) error {
	text := err.Error()
	if exit, ok := errors.AsType[*ExitError](err); ok {
		text = exit.Stderr
	}
	e := &Error{Tried: k.Shown(shown(args)...), Err: err}
	if who := forbidden.FindStringSubmatch(text); who != nil {
		resource, where := who[3], "in all namespaces"
		if who[4] != "" {
			resource += "." + who[4]
		}
		if who[5] != "" {
			where = "in the namespace " + who[5]
		}
		e.Hint = fmt.Sprintf("%s needs the right to %s %s %s; ask the cluster's administrator, or use a context that has it", who[1], who[2], resource, where)
		return e
	}
	for _, h := range hints {
		if strings.Contains(text, h.found) {
			e.Hint = h.hint
			break
		}
	}
	return e
}

// shown leaves out what tells the user nothing.
func shown(args []string) []string {
	var kept []string
	for i, arg := range args {
		if arg == requestTimeout || arg == "-o" || i > 0 && args[i-1] == "-o" {
			continue
		}
		kept = append(kept, arg)
	}
	return kept
}

// isNotFound reports whether kubectl says that an object is not there.
func isNotFound(err error) bool {
	exit, ok := errors.AsType[*ExitError](err)
	return ok && (strings.Contains(exit.Stderr, "(NotFound)") || strings.Contains(exit.Stderr, "the server doesn't have a resource type"))
}
