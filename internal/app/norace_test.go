//go:build !race

package app

const raceAllocations = 0
