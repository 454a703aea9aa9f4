//go:build race

package app

const raceAllocations = 4 // the race detector has pools drop some of what they hold, at random
