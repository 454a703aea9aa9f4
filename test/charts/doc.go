// Package charts tests the Helm chart and the kustomization beside the objects of internal/manifest, with Helm's and kustomize's own
// code, and all objects beside the types of the Kubernetes API. It is a module of its own, so that the daemon's go.mod has none of
// these. It reads the golden files of internal/manifest, whose tests keep them up to date.
package charts
