// Package packages tests what "make dist" made in dist/ with the tools of Debian, Fedora and others: "make dist-test" runs it. It needs
// Linux, root and what CONTRIBUTING.md lists.
package packages
