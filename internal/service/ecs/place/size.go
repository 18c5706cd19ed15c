// Package place decides whether a machine has capacity for tasks, and where they go.
//
// What fits and where are pure functions. The Ledger knows what is taken of the
// machine: no two decisions are given the same capacity, however many are made at
// once, and a decision costs the same with ten tasks and with ten thousand.
package place

import "fmt"

// Size is an amount of CPU units, 1024 to a vCPU, and of MiB of memory.
type Size struct{ CPU, Memory int }

// Plus is s and o together.
func (s Size) Plus(o Size) Size { return Size{s.CPU + o.CPU, s.Memory + o.Memory} }

// Minus is s without o.
func (s Size) Minus(o Size) Size { return Size{s.CPU - o.CPU, s.Memory - o.Memory} }

// Times is n of s.
func (s Size) Times(n int) Size { return Size{s.CPU * n, s.Memory * n} }

// Within says that s fits into o.
func (s Size) Within(o Size) bool { return s.CPU <= o.CPU && s.Memory <= o.Memory }

func (s Size) String() string {
	return fmt.Sprintf("%d MiB and %g vCPU", s.Memory, float64(s.CPU)/1024)
}

// Fit returns how many of n tasks fit into what is free.
func Fit(free, each Size, n int) int {
	if each.CPU > 0 {
		n = min(n, free.CPU/each.CPU)
	}
	if each.Memory > 0 {
		n = min(n, free.Memory/each.Memory)
	}
	return max(0, n)
}

// Why a task can't be placed, as ECS says it.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
const (
	NoCapacity  = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
	AboveCPU    = "The requested CPU configuration is above your limit"
	AboveMemory = "The requested MEMORY configuration is above your limit"
)

// Reason says why there is no capacity for a task of a size on a machine: now, or
// ever.
func Reason(total, each Size) string {
	switch {
	case each.Memory > total.Memory:
		return AboveMemory
	case each.CPU > total.CPU:
		return AboveCPU
	}
	return NoCapacity
}
