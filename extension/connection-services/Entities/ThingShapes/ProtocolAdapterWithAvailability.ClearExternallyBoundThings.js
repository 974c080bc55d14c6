// A shape has no remote services: the template of the same name has the one that the connector answers.
me.ClearConnectorBoundThings();
