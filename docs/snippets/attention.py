from interpviz import BERTAttentionVisualizer
from interpviz.zoo import load_model

m = load_model("bert")  # or a model of your own
inputs = m.tokenizer("She left the file on the table.", return_tensors="pt")
tokens = m.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])

with BERTAttentionVisualizer(m.model) as visualizer:
    m.model(**inputs.to(m.model.device))

weights = visualizer.attention_maps.weights[0]  # (1, heads, query, key)
visualizer.visualize_all_heads(weights, tokens).savefig("attention.png")
