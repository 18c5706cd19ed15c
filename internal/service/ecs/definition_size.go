package ecs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
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

// taskSize reads the task's size, which must be one that Fargate has.
func taskSize(cpu, memory *string) (units, mib int, err error) {
	if aws.ToString(cpu) == "" {
		return 0, 0, client("Fargate requires that 'cpu' be defined at the task level.")
	}
	if aws.ToString(memory) == "" {
		return 0, 0, client("Fargate requires that 'memory' be defined at the task level.")
	}
	units, ok := quantity(cpuForm, *cpu)
	if !ok {
		return 0, 0, client("Invalid 'cpu' setting for task: %s.", *cpu)
	}
	mib, ok = quantity(memoryForm, *memory)
	if !ok {
		return 0, 0, client("Invalid 'memory' setting for task: %s.", *memory)
	}
	if !fargateSize(units, mib) {
		return 0, 0, client("No Fargate configuration exists for given values: %d CPU, %d memory. See the Amazon ECS documentation for the valid values.", units, mib)
	}
	return units, mib, nil
}

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

// checkShare checks what one container gets of a task's memory in MiB.
func checkShare(c *types.ContainerDefinition, memory int64) error {
	name := *c.Name
	switch {
	case c.Cpu < 0:
		return wrong("cpu", name, "it must not be negative")
	case c.Memory != nil && *c.Memory < 6:
		return client("Invalid setting for container '%s'. 'memory' must be at least 6 MiB.", name)
	case c.MemoryReservation != nil && *c.MemoryReservation < 6:
		return client("Invalid setting for container '%s'. 'memoryReservation' must be at least 6 MiB.", name)
	case c.Memory != nil && c.MemoryReservation != nil && *c.Memory < *c.MemoryReservation:
		return client("Invalid setting for container '%s'. 'memory' must be greater than or equal to 'memoryReservation'.", name)
	case c.Memory != nil && int64(*c.Memory) > memory:
		return client("The 'memory' setting for container '%s' is greater than for the task.", name)
	}
	return nil
}

// checkShares checks that the containers fit into a task with so many CPU units
// and so much memory in MiB.
func checkShares(cs []types.ContainerDefinition, cpu int, memory int64) error {
	var units, reserved int64
	for _, c := range cs {
		units += int64(c.Cpu)
		if c.MemoryReservation != nil {
			reserved += int64(*c.MemoryReservation)
		} else {
			reserved += int64(aws.ToInt32(c.Memory))
		}
	}
	if units > int64(cpu) {
		return client("The sum of all container 'cpu' values cannot be greater than the task-level 'cpu' value.")
	}
	if reserved > memory {
		return client("The sum of the containers' memory must not exceed the task's memory of %d MiB.", memory)
	}
	return nil
}

// maxLength is how long a task definition may be.
const maxLength = 65536

// checkLength refuses a definition that is longer, as JSON without what isn't
// set, than ECS takes.
func checkLength(in any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	var v any
	if err := e.Encode(in); err != nil {
		return fmt.Errorf("measure a task definition: %w", err)
	}
	if err := json.Unmarshal(b.Bytes(), &v); err != nil {
		return fmt.Errorf("measure a task definition: %w", err)
	}
	b.Reset()
	if err := e.Encode(dense(v)); err != nil {
		return fmt.Errorf("measure a task definition: %w", err)
	}
	if b.Len() > maxLength {
		return client("Actual length: '%d'. Max allowed length is '%d' bytes.", b.Len(), maxLength)
	}
	return nil
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
