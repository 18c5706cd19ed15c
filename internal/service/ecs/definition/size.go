package definition

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
)

// fargateSizes are the memory sizes in MiB for each number of CPU units: from,
// to, step.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
var fargateSizes = map[int][3]int{
	512:   {1024, 4096, 1024},
	1024:  {2048, 8192, 1024},
	2048:  {4096, 16384, 1024},
	4096:  {8192, 30720, 1024},
	8192:  {16384, 61440, 4096},
	16384: {32768, 122880, 8192},
}

var (
	cpuForm    = regexp.MustCompile(`(?i)^\s*(\d+(?:\.\d+)?|\.\d+)\s*(vcpu)?\s*$`)
	memoryForm = regexp.MustCompile(`(?i)^\s*(\d+(?:\.\d+)?|\.\d+)\s*(gb)?\s*$`)
)

// taskSize reads the task's size, which must be one that Fargate has. What
// isn't one is 0.
func taskSize(cpu, memory *string) (units, mib int, f ecs.Faults) {
	for _, q := range []struct {
		name string
		is   *string
		form *regexp.Regexp
		n    *int
	}{{"cpu", cpu, cpuForm, &units}, {"memory", memory, memoryForm, &mib}} {
		if aws.ToString(q.is) == "" {
			f.Add("Fargate requires that '%s' be defined at the task level.", q.name)
			continue
		}
		ok := false
		if *q.n, ok = quantity(q.form, *q.is); !ok {
			*q.n = 0
			f.Add("Invalid '%s' setting for task: %s.", q.name, *q.is)
		}
	}
	if len(f) == 0 && !fargateSize(units, mib) {
		f.Add("No Fargate configuration exists for given values: %d CPU, %d memory. %s", units, mib, sizesFor(units))
	}
	return units, mib, f
}

// sizesFor says what a task with so many CPU units may have of memory.
func sizesFor(units int) string {
	s, ok := fargateSizes[units]
	switch {
	case units == 256:
		return "(With cpu 256, memory is 512, 1024 or 2048.)"
	case ok:
		return fmt.Sprintf("(With cpu %d, memory is from %d to %d in steps of %d.)", units, s[0], s[1], s[2])
	}
	return "(cpu is 256, 512, 1024, 2048, 4096, 8192 or 16384.)"
}

// CPU reads a number of CPU units, or of vCPUs with their unit.
func CPU(s string) (units int, ok bool) { return quantity(cpuForm, s) }

// Memory reads a number of MiB, or of GB with their unit.
func Memory(s string) (mib int, ok bool) { return quantity(memoryForm, s) }

// quantity reads a number, or one with a unit of 1024.
func quantity(form *regexp.Regexp, s string) (int, bool) {
	m := form.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	f, err := strconv.ParseFloat(m[1], 64)
	if m[2] != "" {
		f *= 1024
	}
	return int(f), err == nil && f == math.Trunc(f) && f > 0 && f < 1<<30
}

func fargateSize(cpu, memory int) bool {
	if cpu == 256 {
		return memory == 512 || memory == 1024 || memory == 2048
	}
	s, ok := fargateSizes[cpu]
	return ok && memory >= s[0] && memory <= s[1] && (memory-s[0])%s[2] == 0
}

// checkShare checks what one container gets of a task's memory in MiB, which is
// 0 when it isn't known.
func checkShare(f *ecs.Faults, c *types.ContainerDefinition, name string, memory int64) {
	if c.Cpu < 0 {
		setting(f, "cpu", name, "it must not be negative")
	}
	if c.Memory != nil && *c.Memory < 6 {
		f.Add("Invalid setting for container '%s'. 'memory' must be at least 6 MiB.", name)
	}
	if c.MemoryReservation != nil && *c.MemoryReservation < 6 {
		f.Add("Invalid setting for container '%s'. 'memoryReservation' must be at least 6 MiB.", name)
	}
	if c.Memory != nil && c.MemoryReservation != nil && *c.Memory < *c.MemoryReservation {
		f.Add("Invalid setting for container '%s'. 'memory' must be greater than or equal to 'memoryReservation'.", name)
	}
	if c.Memory != nil && int64(*c.Memory) > memory && memory > 0 {
		f.Add("The 'memory' setting for container '%s' is greater than for the task.", name)
	}
}

// checkShares checks that the containers fit into a task with so many CPU units
// and so much memory in MiB, 0 where that isn't known.
func checkShares(f *ecs.Faults, cs []types.ContainerDefinition, cpu int, memory int64) {
	var units, reserved int64
	for _, c := range cs {
		units += int64(c.Cpu)
		if c.MemoryReservation != nil {
			reserved += int64(*c.MemoryReservation)
		} else {
			reserved += int64(aws.ToInt32(c.Memory))
		}
	}
	if units > int64(cpu) && cpu > 0 {
		f.Add("The sum of all container 'cpu' values cannot be greater than the task-level 'cpu' value. (They are %d and %d.)", units, cpu)
	}
	if reserved > memory && memory > 0 {
		f.Add("The sum of the containers' memory must not exceed the task's memory of %d MiB. (It is %d.)", memory, reserved)
	}
}

// maxLength is how long a task definition may be.
const maxLength = 65536

// lengthOf is how long a definition is as JSON without what isn't set.
func lengthOf(in any) int {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	var v any
	if e.Encode(in) != nil || json.Unmarshal(b.Bytes(), &v) != nil {
		return 0 // structs of strings and numbers have a JSON form
	}
	b.Reset()
	if e.Encode(dense(v)) != nil {
		return 0
	}
	return b.Len()
}

// dense drops the members of JSON objects that say nothing.
func dense(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil || member == "" {
				delete(v, name)
				continue
			}
			v[name] = dense(member)
		}
	case []any:
		for i := range v {
			v[i] = dense(v[i])
		}
	}
	return v
}
