package metadata

import "time"

// The shapes of the task metadata endpoint, with the names that AWS documents.
// What version 3 doesn't have is left empty there.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate-response.html

// Task is a task as its containers are told of it.
type Task struct {
	Cluster                 string
	TaskARN                 string
	Family                  string
	Revision                string
	DesiredStatus           string
	KnownStatus             string
	Limits                  *Limits           `json:",omitempty"`
	PullStartedAt           *time.Time        `json:",omitempty"`
	PullStoppedAt           *time.Time        `json:",omitempty"`
	ExecutionStoppedAt      *time.Time        `json:",omitempty"`
	AvailabilityZone        string            `json:",omitempty"`
	LaunchType              string            `json:",omitempty"`
	TaskTags                map[string]string `json:",omitempty"`
	Containers              []Container       `json:",omitempty"`
	VPCID                   string            `json:",omitempty"`
	ServiceName             string            `json:",omitempty"`
	ClockDrift              *ClockDrift       `json:",omitempty"`
	EphemeralStorageMetrics *Storage          `json:",omitempty"`
	FaultInjectionEnabled   *bool             `json:",omitempty"`
}

// Container is one container of a Task.
type Container struct {
	DockerID      string `json:"DockerId"`
	Name          string
	DockerName    string
	Image         string
	ImageID       string
	Ports         []Port            `json:",omitempty"`
	Labels        map[string]string `json:",omitempty"`
	DesiredStatus string
	KnownStatus   string
	ExitCode      *int32 `json:",omitempty"`
	Limits        Limits
	CreatedAt     *time.Time `json:",omitempty"`
	StartedAt     *time.Time `json:",omitempty"`
	FinishedAt    *time.Time `json:",omitempty"`
	Type          string
	Health        *Health           `json:",omitempty"`
	Volumes       []Volume          `json:",omitempty"`
	LogDriver     string            `json:",omitempty"`
	LogOptions    map[string]string `json:",omitempty"`
	ContainerARN  string            `json:",omitempty"`
	Networks      []Network         `json:",omitempty"`
	RestartCount  *int              `json:",omitempty"`
}

// Limits is what a task or a container gets: a task's CPU in vCPUs, a
// container's in CPU units, memory in MiB.
type Limits struct {
	CPU    *float64 `json:",omitempty"`
	Memory *int64   `json:",omitempty"`
}

// Port is a port that a container's definition maps.
type Port struct {
	ContainerPort int32  `json:",omitempty"`
	Protocol      string `json:",omitempty"`
	HostPort      int32  `json:",omitempty"`
}

// Volume is where a container has one of the task's volumes.
type Volume struct {
	DockerName  string `json:",omitempty"`
	Destination string `json:",omitempty"`
}

// Health is what a container's health check says.
type Health struct {
	Status string `json:"status,omitempty"`
	Output string `json:"output,omitempty"`
}

// Network is a container's network interface, which is its task's.
type Network struct {
	NetworkMode              string
	IPv4Addresses            []string
	AttachmentIndex          *int   `json:",omitempty"`
	MACAddress               string `json:",omitempty"`
	IPv4SubnetCIDRBlock      string `json:",omitempty"`
	PrivateDNSName           string `json:",omitempty"`
	SubnetGatewayIpv4Address string `json:",omitempty"`
}

// ClockDrift is how far the clock may be off, in milliseconds.
type ClockDrift struct {
	ClockErrorBound            float64
	ClockSynchronizationStatus string
}

// Storage is a task's ephemeral storage in MiB.
type Storage struct {
	Utilized int64
	Reserved int64
}
