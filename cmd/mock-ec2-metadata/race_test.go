//go:build race

package main

const raceAllocations = 4 // the race detector has pools drop some of what they hold, at random
