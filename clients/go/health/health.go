// Package health serves grpc.health.v1.Health, so that gRPC's tools and dswarm's can ask whether a service can be called. Its schema
// is made here and registered nowhere: google.golang.org/grpc registers the same, and two registrations panic.
package health

import (
	"context"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

// ServiceName is the type name of the service.
const ServiceName = "grpc.health.v1.Health"

// Status is how a service is.
type Status int32

// The statuses, with gRPC's numbers.
const (
	Unknown Status = iota
	Serving
	NotServing
	ServiceUnknown
)

// File is the schema.
var File = schema()

var (
	request  = File.Messages().ByName("HealthCheckRequest")
	response = File.Messages().ByName("HealthCheckResponse")
)

// Health tells the status of a server's services. Safe for concurrent use.
type Health struct {
	server *rpc.Server

	mu      sync.Mutex
	set     map[string]Status // what was said of them; the others are serving
	changed chan struct{}     // closed with each change
}

// Register has a server tell the status of its services, all of which are serving at first.
func Register(server *rpc.Server) *Health {
	h := &Health{server: server, set: map[string]Status{}, changed: make(chan struct{})}
	server.RegisterService(&desc, h)
	return h
}

// Set says whether a service ("package.Service", or "" for all of this end) can be called. Error not_found for what is not served.
func (h *Health) Set(service string, isServing bool) error {
	if h.Status(service) == ServiceUnknown {
		return errUnknown
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.set[service] = NotServing
	if isServing {
		h.set[service] = Serving
	}
	close(h.changed)
	h.changed = make(chan struct{})
	return nil
}

// Status of a service, or of all of this end.
func (h *Health) Status(service string) Status {
	if service != "" && !slices.Contains(h.server.Services(), service) {
		return ServiceUnknown
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if told, ok := h.set[service]; ok {
		return told
	}
	return Serving
}

var errUnknown = status.Errorf(status.NotFound, "there is no such service")

var desc = rpc.ServiceDesc{ServiceName: ServiceName, Methods: []rpc.MethodDesc{
	{Name: "Check", Unary: func(srv any, _ context.Context, decode func(any) error) (any, error) {
		in := dynamicpb.NewMessage(request)
		if err := decode(in); err != nil {
			return nil, err
		}
		now := srv.(*Health).Status(serviceOf(in))
		if now == ServiceUnknown {
			return nil, errUnknown
		}
		return answer(now), nil
	}},
	{Name: "Watch", ServerStreams: true, Stream: func(srv any, stream rpc.ServerStream) error {
		in := dynamicpb.NewMessage(request)
		if err := stream.RecvMsg(in); err != nil {
			return err
		}
		return srv.(*Health).watch(serviceOf(in), stream)
	}},
}}

// watch tells the status now and whenever it changes.
func (h *Health) watch(service string, stream rpc.ServerStream) error {
	for told := Status(-1); ; {
		h.mu.Lock()
		changed := h.changed
		h.mu.Unlock()
		if now := h.Status(service); now != told {
			told = now
			if err := stream.SendMsg(answer(now)); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func serviceOf(in *dynamicpb.Message) string { return in.Get(request.Fields().ByNumber(1)).String() }

func answer(now Status) *dynamicpb.Message {
	out := dynamicpb.NewMessage(response)
	out.Set(response.Fields().ByNumber(1), protoreflect.ValueOfEnum(protoreflect.EnumNumber(now)))
	return out
}

func schema() protoreflect.FileDescriptor {
	optional := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
	statuses := &descriptorpb.EnumDescriptorProto{Name: proto.String("ServingStatus")}
	for number, name := range []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"} {
		statuses.Value = append(statuses.Value, &descriptorpb.EnumValueDescriptorProto{Name: proto.String(name), Number: proto.Int32(int32(number))})
	}
	method := func(name string, streams bool) *descriptorpb.MethodDescriptorProto {
		return &descriptorpb.MethodDescriptorProto{
			Name: proto.String(name), InputType: proto.String(".grpc.health.v1.HealthCheckRequest"),
			OutputType: proto.String(".grpc.health.v1.HealthCheckResponse"), ServerStreaming: proto.Bool(streams),
		}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("grpc/health/v1/health.proto"), Package: proto.String("grpc.health.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("HealthCheckRequest"), Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("service"), Number: proto.Int32(1), Label: optional,
				Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
			}}},
			{
				Name: proto.String("HealthCheckResponse"), EnumType: []*descriptorpb.EnumDescriptorProto{statuses},
				Field: []*descriptorpb.FieldDescriptorProto{{
					Name: proto.String("status"), Number: proto.Int32(1), Label: optional,
					Type:     descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum(),
					TypeName: proto.String(".grpc.health.v1.HealthCheckResponse.ServingStatus"),
				}},
			},
		},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: proto.String("Health"), Method: []*descriptorpb.MethodDescriptorProto{method("Check", false), method("Watch", true)},
		}},
	}, nil)
	if err != nil {
		panic("health: " + err.Error())
	}
	return file
}
