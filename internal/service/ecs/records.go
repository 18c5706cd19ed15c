// Package ecs is the Amazon ECS API: clusters, task definitions, tasks and
// services as records.
//
// Handlers write what is wanted and read what is; they never touch a container.
// ecs/deploy turns services into tasks, ecs/run turns tasks into containers.
package ecs

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/service/ecs/scene"
	"github.com/skylift/skylift/internal/store"
)

// Cluster groups services and tasks. Its key is its name.
type Cluster struct {
	Name          string
	ARN           string
	Status        string                      // ACTIVE, INACTIVE
	Providers     []string                    // capacity providers: FARGATE, FARGATE_SPOT
	Strategy      []place.StrategyItem        // the default capacity provider strategy
	Insights      string                      // containerInsights: enabled, enhanced; "": disabled. Kept without effect, as the next is
	Configuration *types.ClusterConfiguration // what was said of it
	Tags          handler.Tags                // empty, but not nil, when it had some, as those of all records
	CreatedAt     time.Time
}

// AccountSetting is what a principal has set. Its key is the principal's ARN, a
// slash and the name.
type AccountSetting struct {
	Principal string
	Name      types.SettingName
	Value     string
}

// TaskDefinition is one immutable revision. Its key is DefinitionKey.
type TaskDefinition struct {
	Definition types.TaskDefinition
	Tags       handler.Tags
}

// Family counts the revisions of a task definition family; numbers are never
// used twice. Its key is its name.
type Family struct {
	Name string
	Last int32 // the highest revision ever registered
}

// Service is what is wanted of a service. Its key is cluster/name. The API
// writes it; ecs/deploy only turns DRAINING into INACTIVE.
type Service struct {
	Cluster string
	Name    string
	ARN     string
	Status  string // ACTIVE, DRAINING, INACTIVE
	Current string // id of the service deployment that is under way, or was the last

	Desired int32
	DeploymentConfig
	HealthCheckGracePeriod *int32 // seconds
	LaunchType             types.LaunchType
	PlatformVersion        string // as asked for: LATEST, or a version
	PropagateTags          types.PropagateTags
	ManagedTags            bool
	ExecuteCommand         bool // kept without effect
	Rebalance              bool // keep tasks even over availability zones
	ClientToken            string
	Tags                   handler.Tags

	CreatedAt time.Time
	CreatedBy string
	StoppedAt time.Time // when it became INACTIVE
}

// Key is the service's key: cluster/name.
func (s *Service) Key() string { return s.Cluster + "/" + s.Name }

// DeploymentConfig is how a service's tasks are replaced.
type DeploymentConfig struct {
	MinimumHealthyPercent int32
	MaximumPercent        int32
	Breaker               Breaker
	Method                Strategy
}

// Breaker is the deployment circuit breaker: whether a deployment whose tasks
// keep failing is given up, and rolled back.
type Breaker struct{ Enable, Rollback bool }

// Spec is what a service's tasks are made from. A change of it is a new
// revision of the service.
type Spec struct {
	TaskDefinition string // ARN
	LaunchType     types.LaunchType
	Strategy       []place.StrategyItem // by which tasks are placed; none: by launch type
	Platform       string
	Network        Network
	LoadBalancers  []LoadBalancer
	Registries     []Registry `json:",omitempty"`
}

// Registry is a service of Cloud Map whose instances the tasks are.
type Registry struct {
	ARN           string
	ContainerName string `json:",omitempty"` // whose port it is; "": nobody said
	Port          int32  `json:",omitempty"` // that the instances say; 0: none
}

// ServiceRevision is one immutable workload configuration of a service. Its
// key is the service's key, a slash and its id. The API makes it; Images and
// Groups are ecs/deploy's, written once.
type ServiceRevision struct {
	ID      string // 19 digits
	Service string // the service's key
	Spec
	CreatedAt time.Time

	Images map[string]string // container name → image by digest, fixed before the first task starts
	Groups []string          // where its tasks are targets, by load balancer, where there is a choice; fixed likewise
}

// Key is the revision's key.
func (r *ServiceRevision) Key() string { return r.Service + "/" + r.ID }

// Deployment is what runs of one revision of a service, as DescribeServices
// shows it. Its key is the service's key, a slash and its id. It is made with
// its revision by the API, or anew by ecs/deploy when that is rolled back to,
// and goes when none of its tasks runs any more; Rollout is ecs/deploy's.
// Which one is the primary follows from the service's current service
// deployment.
type Deployment struct {
	ID      string // ecs-svc/<the revision's id>
	Service string // the service's key
	Spec
	CreatedAt time.Time

	Rollout Rollout
}

// Key is the deployment's key.
func (d *Deployment) Key() string { return d.Service + "/" + d.ID }

// Rollout is how far a deployment has come. Only ecs/deploy writes it.
type Rollout struct {
	State       types.DeploymentRolloutState
	Reason      string
	Failed      int32     // tasks that failed since the deployment last was steady
	Streak      int       // rounds of failures in a row, which back-off counts; a task that lasted ends it
	FailedAt    time.Time // the last failure that was counted in Streak
	NotBefore   time.Time // no task is started before
	Impaired    bool      // told that tasks can't be started consistently
	Unplaced    string    // told why tasks can't be placed; "" when none waits for capacity
	Blocked     bool      // told that its bounds let nothing be started or stopped
	Held        int       // told that so many of its tasks are protected and should go
	Steady      bool      // told that it is steady, and nothing changed since
	Crowded     []Crowd   // subnets that had no free address for its tasks
	Rebalancing bool      // told that its tasks move until zones are even
	UpdatedAt   time.Time
}

// ServiceDeployment is one deployment as a user asked for it, kept as history:
// it brings a service from the revisions that run to its target and, when that
// fails, back. Its key is the service's key, a slash and its id. The API makes
// it, asks for its end (Stop) and answers its hooks; Progress is ecs/deploy's.
type ServiceDeployment struct {
	ID       string
	Service  string   // the service's key
	Target   string   // id of the revision that it brings
	Sources  []string // ids of the revisions that ran when it was asked for
	Fallback string   // id of the revision that is known to work and that it rolls back to; "" if none is
	Config   DeploymentConfig
	Stop     types.StopServiceDeploymentStopType            // "" until its end is asked for
	Answers  map[string]types.DeploymentLifecycleHookAction // to hooks, by their ids

	CreatedAt time.Time
	Progress  Progress
}

// Key is the service deployment's key.
func (d *ServiceDeployment) Key() string { return d.Service + "/" + d.ID }

// Progress is how far a service deployment has come. Only ecs/deploy writes it.
type Progress struct {
	Status   types.ServiceDeploymentStatus
	Reason   string
	Shift    Shift
	Rollback *Rollback
	Failures int32            // tasks of the target that failed, which the circuit breaker counts
	FailedAt time.Time        // the last of them
	Tripped  bool             // the circuit breaker has given it up
	Desired  int32            // the service's desired count, when it ended
	Counts   map[string]Count // by revision, when it ended

	StartedAt  time.Time
	StoppedAt  time.Time // when it was given up
	FinishedAt time.Time
	UpdatedAt  time.Time
}

// Rollback is the way back of a service deployment.
type Rollback struct {
	Reason    string
	Revision  string // id; "" when there is none to go back to
	StartedAt time.Time
}

// Count is how many tasks of a revision there are.
type Count struct{ Requested, Running, Pending int32 }

// Network is where a task's interface is placed.
type Network struct {
	Subnets        []string
	Zones          []string // of the subnets, in their order
	SecurityGroups []string
	AssignPublicIP string // ENABLED, DISABLED
}

// LoadBalancer is a target group that a service's tasks are registered in.
type LoadBalancer struct {
	TargetGroup   string // ARN
	ContainerName string
	ContainerPort int32
	Advanced      Advanced
}

// Advanced is what of a load balancer is for strategies that shift traffic.
type Advanced struct {
	AlternateTargetGroup string // ARN
	ProductionRule       string // ARN of a listener rule
	TestRule             string // ARN of a listener rule, or ""
	Role                 string // ARN
}

// Event is one service event. Its key begins with the service's: a service's events sort by time.
type Event struct {
	Service string
	ID      string
	At      time.Time
	Message string
}

// Key is the event's key.
func (e *Event) Key() string {
	return fmt.Sprintf("%s/%020d-%s", e.Service, e.At.UnixNano(), e.ID)
}

// Task is one task. Its key is cluster/id. Desired and why it is to stop are
// written by whoever stops it, once; Settled and Moved by ecs/deploy; ProtectedUntil by
// the API; the rest, after the task was made, by ecs/run.
type Task struct {
	ID             string // 32 hex digits
	Cluster        string
	ARN            string
	Group          string // service:web, family:web, or the caller's
	StartedBy      string // the deployment's id for a service's task
	Service        string // the service's key; "" for a task of RunTask
	Deployment     string // the deployment's id
	TaskDefinition string // ARN
	LaunchType     types.LaunchType
	Provider       string // capacity provider, when a strategy placed the task
	Platform       string
	CPU, Memory    string // as the API has them: CPU units, MiB
	Storage        int32  // ephemeral storage in GiB; 0: DefaultStorage
	LogsBlock      bool   // the mode of log options that name none is blocking, not non-blocking
	Network        Network
	Subnet, Zone   string // of those of Network, where it was placed
	LoadBalancers  []LoadBalancer
	Registries     []Registry `json:",omitempty"`
	Overrides      *types.TaskOverride
	ExecuteCommand bool // kept without effect
	Tags           handler.Tags
	CreatedAt      time.Time
	Launch         string // key of the Launch that made it; "" when it had no token
	Role           string // ARN of the role that its containers act as; "": none
	CredentialsID  string // by which they ask for the role's credentials, and which nobody can guess

	Desired  string // RUNNING, STOPPED
	StopCode types.TaskStopCode
	Reason   string // stoppedReason
	StopAt   time.Time

	Status            string // PROVISIONING … STOPPED, as the API's lastStatus
	Version           int64
	ENI               ENI
	Containers        []Container
	Health            types.HealthStatus // what the health checks of essential containers say; "": none has one
	PullStartedAt     time.Time
	PullStoppedAt     time.Time
	StartedAt         time.Time
	StoppingAt        time.Time
	Created           bool // its containers and its network are made
	ExecutionStopped  time.Time
	StoppedAt         time.Time
	ConnectivityAt    time.Time
	TargetsRegistered bool
	Versions          map[string]string `json:",omitempty"` // of the secrets and parameters that it was started with, by what its definition calls them
	Lost              bool              // its sandbox was taken away: no fault of what it runs
	ProcessLimit      int               // how many processes it may have, if it once could not start one for that; else 0

	Crowded bool     // its subnet had no free address for it
	Full    []string // subnets that it was placed in before, which had none either

	Settled bool // ecs/deploy has drawn its conclusions from the end of the task

	Moved bool // it was stopped because its zone had too many

	ProtectedUntil time.Time // see Protected; zero: never asked for, or taken back
}

// Key is the task's key.
func (t *Task) Key() string { return t.Cluster + "/" + t.ID }

// StorageSize is the task's ephemeral storage in GiB.
func (t *Task) StorageSize() int32 {
	if t.Overrides != nil && t.Overrides.EphemeralStorage != nil {
		return t.Overrides.EphemeralStorage.SizeInGiB
	}
	return cmp.Or(t.Storage, DefaultStorage)
}

// Started says that the task's containers may exist: it got beyond its network.
func (t *Task) Started() bool {
	return !t.PullStartedAt.IsZero()
}

// Launch is what a client token stands for: the tasks that one RunTask started
// with it. Its key is Key. RunTask writes it; StoppedAt is written, and what is
// old removed, by ecs/run.
type Launch struct {
	Cluster   string
	Token     string
	Request   string   // digest of the request
	Tasks     []string // their ids
	CreatedAt time.Time
	StoppedAt time.Time // when the last of the tasks stopped that are no longer described
}

// Key is the launch's key: each cluster has its own tokens.
func (l *Launch) Key() string {
	if l.Token == "" {
		return ""
	}
	return fmt.Sprintf("%s/%x", l.Cluster, l.Token)
}

// ENI is a task's network interface.
type ENI struct {
	ID      string
	Subnet  string
	MAC     string
	Addr    netip.Addr
	Servers []string // where the task asks for names; none: a task of before there were other VPCs
	Search  []string // what names are looked for in
	Attach  string   // id of the attachment
	Deleted bool
}

// Container is one container of a task.
type Container struct {
	Name      string
	ARN       string
	Image     string // as the task definition has it
	Digest    string // sha256:…
	Pinned    string // what the engine runs: name@sha256:…
	RuntimeID string
	Status    string // PENDING, RUNNING, STOPPED
	ExitCode  *int32
	Reason    string
	CPU       string
	Memory    string
	Soft      string // memoryReservation
	Essential bool
	Health    types.HealthStatus // "": it has no health check
	Restarts  int                // how often its restart policy started it again
	TermAt    time.Time          // it was sent SIGTERM
}

// Evidence is what is kept of a stopped task beside its record, for as long as
// that is there. Its key is the task's. It may hold what an application printed
// and should not have. Only ecs/run writes it.
type Evidence struct {
	Containers []Remains
	Scene      *scene.Scene `json:",omitempty"` // of a task that failed while its containers ran
}

// Remains is what is kept of a container.
type Remains struct {
	Name      string
	Lines     []string // the last of its output
	HealthLog string   // what its last health check said
	OOM       bool     // it was killed for its memory
}

// Task statuses, in the order of a task's life.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
const (
	Provisioning   = "PROVISIONING"
	Pending        = "PENDING"
	Activating     = "ACTIVATING"
	Running        = "RUNNING"
	Deactivating   = "DEACTIVATING"
	Stopping       = "STOPPING"
	Deprovisioning = "DEPROVISIONING"
	Stopped        = "STOPPED"
)

// DefaultStorage is the ephemeral storage in GiB of a task whose definition
// doesn't say.
const DefaultStorage = 20

// Statuses of clusters, services and task definitions.
const (
	Active   = "ACTIVE"
	Draining = "DRAINING"
	Inactive = "INACTIVE"
)

// The tables of the service.
var (
	Clusters    = store.NewTable[Cluster]("ecs-cluster").Version(2, handler.TagsAsMap)
	Families    = store.NewTable[Family]("ecs-family")
	Definitions = store.NewTable[TaskDefinition]("ecs-definition").Version(2, handler.TagsAsMap)
	Services    = store.NewTable("ecs-service",
		// tally: what a cluster's counts are made of; see index.go.
		store.Index[Service]{Name: "tally", Values: Service.tallies},
	).Version(2, handler.TagsAsMap)
	Deployments = store.NewTable("ecs-deployment",
		store.Index[Deployment]{Name: "group", Values: func(d Deployment) (groups []string) {
			for _, l := range d.LoadBalancers {
				groups = append(groups, l.Groups()...)
			}
			return groups
		}},
		store.Index[Deployment]{Name: "tally", Values: Deployment.tallies},
	)
	ServiceRevisions   = store.NewTable[ServiceRevision]("ecs-service-revision")
	ServiceDeployments = store.NewTable("ecs-service-deployment",
		// open: those of a service that haven't ended.
		store.Index[ServiceDeployment]{Name: "open", Values: func(d ServiceDeployment) []string {
			if !d.Open() {
				return nil
			}
			return []string{d.Service}
		}},
	)
	Events    = store.NewTable[Event]("ecs-event")
	Launches  = store.NewTable[Launch]("ecs-launch")
	Evidences = store.NewTable[Evidence]("ecs-evidence")

	AccountSettings = store.NewTable[AccountSetting]("ecs-account-setting")
	Tasks           = store.NewTable("ecs-task",
		// live: a service's tasks that ecs/deploy still has to reckon with.
		store.Index[Task]{Name: "live", Values: func(t Task) []string {
			if t.Service == "" || t.Status == Stopped && t.Settled {
				return nil
			}
			return []string{t.Service}
		}},
		// id: tasks that the engine may have something of.
		store.Index[Task]{Name: "id", Values: func(t Task) []string {
			if t.Status == Stopped {
				return nil
			}
			return []string{t.ID}
		}},
		// list: what ListTasks asks for; tally: what a cluster's counts are made of.
		store.Index[Task]{Name: "list", Values: Task.lists},
		// credentials: by which containers ask for those of their task's role.
		store.Index[Task]{Name: "credentials", Values: Task.credentials},
		store.Index[Task]{Name: "tally", Values: Task.tallies},
	).Version(2, handler.TagsAsMap)
)

// Tables are all that the service keeps records in.
func Tables() []store.Schema {
	return []store.Schema{
		Clusters, Families, Definitions, Services, Deployments, ServiceRevisions, ServiceDeployments,
		Events, Launches, Evidences, AccountSettings, Tasks,
	}
}
