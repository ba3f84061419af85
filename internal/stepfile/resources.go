package stepfile

// Range is the least and the most of something.
type Range struct {
	Min *float64 `json:"min,omitempty"`
	Max *float64 `json:"max,omitempty"`
}

// Resources are what a step asks of a Kubernetes cluster.
type Resources struct {
	CPU     *Range             `json:"cpu,omitempty"`     // in vCPU, 0.1 is a tenth of one
	Memory  *Range             `json:"memory,omitempty"`  // in MB
	Devices map[string]float64 `json:"devices,omitempty"` // nvidia.com/gpu: 1
}

// resources reads the resources of a step, or of an endpoint, which knows one more.
func (o *object) resources(endpoint bool) *Resources {
	e := o.get("resources")
	if e == nil {
		return nil
	}
	i, ok := o.r.object(e.val, o.sub("resources"))
	if !ok {
		return nil
	}
	res := &Resources{CPU: i.bounds("cpu", false), Memory: i.bounds("memory", false), Devices: i.devices()}
	if endpoint {
		i.bounds("ephemeral-storage", true)
	}
	i.done()
	return res
}

// bounds reads a min and a max.
func (o *object) bounds(key string, whole bool) *Range {
	e := o.get(key)
	if e == nil {
		return nil
	}
	i, ok := o.r.object(e.val, o.sub(key))
	if !ok {
		return nil
	}
	b := &Range{Min: i.amount("min", whole), Max: i.amount("max", whole)}
	i.done()
	if b.Min != nil && b.Max != nil && *b.Min > *b.Max {
		o.r.add(SeverityWarning, i.where("min"), i.path, finding{"range", key + ": min is greater than max", "exchange them"})
	}
	return b
}

// amount reads a number that should not be negative.
func (o *object) amount(key string, whole bool) *float64 {
	number := o.optNumber
	if whole {
		number = o.optWhole
	}
	v := number(key)
	if v == nil {
		return nil
	}
	f := v.number()
	if f < 0 {
		o.r.add(SeverityWarning, o.where(key), o.sub(key), finding{"range", key + " is negative", "give a positive number"})
	}
	return &f
}

// devices reads how many of which device; never fewer than one.
func (o *object) devices() map[string]float64 {
	e := o.get("devices")
	if e == nil {
		return nil
	}
	t, ok := o.r.object(e.val, o.sub("devices"))
	if !ok {
		return nil
	}
	out := map[string]float64{}
	for _, name := range t.order {
		n := t.optNumber(name)
		if n == nil {
			continue
		}
		f := n.number()
		if f < 1 {
			o.r.add(SeverityError, t.where(name), t.sub(name), finding{
				"range", name + " is " + n.String() + ", less than 1", "ask for at least one, or leave it out",
			})
		}
		out[name] = f
	}
	return out
}
