/* Device nodes: whether they are there, and whether this user may open them. */
#ifndef TEMPER_NODES_H
#define TEMPER_NODES_H

/* Opens a node and writes how that ended: `ok`, or the name of the errno. */
void tell_node(const char *path);

/* Lists the GPUs that have a node in /dev, whether or not they may be opened. */
void tell_gpus(const char *key);

#endif
